"""Precision, XLA and determinism by the device, and training on two devices."""

import json
import os
import subprocess
import sys

import keras
import pytest

from competition.net import devices
from tests import conftest, test_without_tensorflow

CPU = devices.Device("cpu", 2)
T4 = devices.Device("gpu", 1, 7.5)
P100 = devices.Device("gpu", 1, 6.0)
H100 = devices.Device("gpu", 1, 9.0)
TPU = devices.Device("tpu", 8)


def test_the_precision_follows_from_the_device():
    chosen = [devices.precision("auto", each) for each in (CPU, T4, P100, H100, TPU)]
    assert chosen == [
        "float32", "mixed_float16", "mixed_float16", "mixed_bfloat16", "mixed_bfloat16",
    ]  # fmt: skip
    assert devices.precision("bfloat16", CPU) == "mixed_bfloat16"
    assert devices.precision("float32", H100) == "float32"


def test_xla_is_for_gpus_or_jax():
    assert not devices.xla("auto", CPU)
    assert devices.xla("auto", T4) and devices.xla("auto", TPU)
    assert devices.xla("auto", devices.Device("gpu", 2, 7.5))
    assert devices.xla("auto", devices.Device("cpu", 2, backend="jax"))
    assert devices.xla(True, CPU) and not devices.xla(False, T4)


def test_the_cpu_repeats_to_the_bit():
    assert devices.deterministic("auto", CPU)
    assert not devices.deterministic("auto", T4)
    assert devices.deterministic(True, T4)


def test_jax_says_where_a_gpu_will_not_repeat_to_the_bit(monkeypatch, capsys):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(devices, "find", lambda: H100)
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    devices.make_deterministic()
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("XLA_FLAGS")
    devices.make_deterministic()
    assert "XLA_FLAGS=--xla_gpu_deterministic_ops=true" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to"), True),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), True),
        (RuntimeError("INTERNAL: CUDNN_STATUS_ALLOC_FAILED in cudnn.cc(182)"), True),
        (
            RuntimeError("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            True,
        ),
        (
            RuntimeError("failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED"),
            True,
        ),
        (
            RuntimeError("INTERNAL: Failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY"),
            True,
        ),
        (RuntimeError("cudaErrorMemoryAllocation: cudaMalloc"), True),
        (RuntimeError("INTERNAL: out of memory while trying to allocate 8 GB"), True),
        (RuntimeError("INTERNAL: Failed to load in-memory CUBIN"), False),
        (OSError(28, "No space left on device"), False),
        (ValueError("shapes differ"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error, is_memory):
    assert devices.is_out_of_memory(error) is is_memory


def run(module, *arguments, **environment):
    """Run a module of the tests; return what it prints last, and its messages."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=conftest.ROOT,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), " ".join(done.stderr.split())


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_mirrored_devices_learn_what_one_does_and_survive_a_full_memory(
    tmp_path, precision
):
    overrides = (*conftest.TINY, "training.batch=8", "model.norm=group")
    overrides = (*overrides, f"training.precision={precision}")
    overrides = (*overrides, "training.tensorboard=false", "model.widths=[4]")
    # Overlap is that of a device's own part of the batch.
    overrides = (*overrides, "loss.bce=1.0", "loss.dice=0.0")
    ends, said = run(
        "tests.net.mirrored", tmp_path, *overrides, KERAS_BACKEND="tensorflow"
    )
    (one, alone), (two, both), (_, halved) = ends
    assert (one, two) == (1, 2)
    assert both[0] == pytest.approx(alone[0], rel=1e-3)
    assert both[1] == pytest.approx(alone[1], rel=1e-3)
    assert len(halved) == 2
    # Half the batch is no longer accumulated to a whole one: the rate is halved.
    assert "4 slices at a time and 1 batches a step, 4 slices a step at a" in said
    # At the end both are 0, and warm-up counts whole steps.
    assert halved[0][1] == pytest.approx(both[0][1] / 2, rel=0.25)


def test_in_float16_what_overflows_on_one_mirrored_device_is_learned_by_none():
    (weights, scales), _ = run(
        "tests.net.mirrored_overflow", KERAS_BACKEND="tensorflow"
    )
    assert weights == [[1.0, 2.0]] * 2
    assert scales == [2.0**14] * 2


def test_on_jax_any_number_of_devices_learns_and_predicts_the_same(
    tiny_phantom, tmp_path
):
    eight = "--xla_force_host_platform_device_count=8"
    (alone, shared, difference, places), said = run(
        "tests.net.data_parallel",
        tiny_phantom / "competition",
        str(tmp_path / "work"),
        KERAS_BACKEND="jax",
        # Keras loads TensorFlow as well, where it finds it, which takes seconds.
        PYTHONPATH=str(test_without_tensorflow.HIDING),
        XLA_FLAGS=f"{eight} --xla_backend_optimization_level=1",
    )
    assert len(alone) == 2
    assert shared == pytest.approx(alone, abs=1e-4)
    # Of 255.
    assert difference <= 1
    assert places == [1, 2]
    assert "fold 0: 8 CPU (jax)" in said and "fold 0: 2 CPU (jax)" in said


def test_a_batch_is_divided_among_the_devices_that_share_it():
    eight = devices.Device("tpu", 8, backend="jax")
    assert devices.sharing("auto", eight) == devices.sharing("mirror", eight) == 8
    assert devices.sharing("one", eight) == devices.sharing("folds", eight) == 1
    two = devices.Device("gpu", 2, 7.5)
    assert devices.sharing("auto", two) == 1 and devices.sharing("mirror", two) == 2
    devices.check_batch(16, "auto", eight)
    devices.check_batch(12, "one", eight)
    expected = "multiple of the 8 devices .* Received: 12. Set training.batch=8 or 16"
    with pytest.raises(ValueError, match=expected):
        devices.check_batch(12, "auto", eight)
    with pytest.raises(ValueError, match=r"Received: 4\. Set training.batch=8, or tr"):
        devices.check_batch(4, "auto", eight)
    # The config of a fold that has begun on one GPU cannot change.
    both = devices.Device("gpu", 2, 8.0, "jax")
    with pytest.raises(ValueError, match="go on with a fold, set CUDA_VISIBLE_DEVICES"):
        devices.check_batch(5, "auto", both)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Unable to initialize backend 'tpu': no libtpu.so."),
        # Where it is told to use CUDA and has no plugin for it.
        AssertionError(),
    ],
)
def test_a_device_that_jax_is_told_to_use_must_be_there(monkeypatch, error):
    jax = pytest.importorskip("jax")

    def missing():
        raise error

    monkeypatch.setattr(jax, "local_devices", missing)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    with pytest.raises(ValueError, match="Received: JAX_PLATFORMS='tpu'"):
        devices.find()


def test_gpus_are_numbered_as_nvidia_smi_numbers_them():
    # One is asked for by number, and a process is given one by number.
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
