"""What `make setup` would install, by what `nvidia-smi` lists."""

import os
import subprocess

import pytest

from tests import conftest


@pytest.mark.parametrize(
    ("listing", "arguments", "has_cuda"),
    [
        ("GPU 0: Tesla T4", [], True),
        ("GPU 0: Tesla T4", ["GPU=0"], False),
        ("No devices found.", [], False),
        ("No devices found.", ["GPU=1"], True),
    ],
)
def test_cuda_libraries_are_installed_where_there_is_a_card(
    listing, arguments, has_cuda, tmp_path
):
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\necho '{listing}'\n")
    smi.chmod(0o755)
    # Set up already, without them.
    (tmp_path / "bin").mkdir()
    for name in ("ready", "bin/python"):
        (tmp_path / name).touch()
    asked = subprocess.run(
        ["make", "-n", "setup", f"VENV={tmp_path}", *arguments],
        cwd=conftest.ROOT,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert ("tensorflow[and-cuda]" in asked.stdout) == has_cuda
