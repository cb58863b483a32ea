"""The GPUs that a process may use."""

import pytest

from competition.machine import gpus


def test_gpus_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert gpus.visible() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5,-1,6")
    assert gpus.visible() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus.visible() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert gpus.visible() == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["GPU 0: Tesla T4", "GPU 1: Tesla T4"], ["0", "1"]),
        (["GPU 0: NVIDIA A100", "  MIG 1g.10gb     Device  0: (UUID: MIG-1)"], ["0"]),
        (["GPU 0: T4", "WARNING: infoROM is corrupted at gpu 0000:00:1E.0"], ["0"]),
        (["No devices found."], []),
        (["\\377\\376"], []),
    ],
)
def test_gpus_are_counted_as_nvidia_smi_lists_them(
    lines, expected, monkeypatch, tmp_path
):
    listing = tmp_path / "nvidia-smi"
    commands = [f"printf '{line}\\n'" for line in lines]
    listing.write_text("\n".join(["#!/bin/sh", *commands]))
    listing.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpus.visible() == expected


def test_the_memory_is_that_of_the_first_gpu_of_this_process(monkeypatch, tmp_path):
    asked = tmp_path / "asked"
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f'#!/bin/sh\necho "$@" > {asked}\necho 15360\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    assert gpus.memory() == 15360 * 2**20
    assert "-i 3 --query-gpu=memory.total" in asked.read_text()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.memory() is None


def test_each_gpu_is_the_environment_of_a_process(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    places = [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    assert gpus.environments("auto") == gpus.environments("folds") == places
    assert gpus.environments("one") == gpus.environments("mirror") == [{}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus.environments("auto") == [{}]
