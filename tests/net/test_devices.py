"""Precision, XLA and determinism by the device, and training on two devices."""

import json
import subprocess
import sys

import pytest

from competition.net import devices
from tests import conftest

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


def test_xla_is_for_one_gpu_or_jax():
    assert not devices.xla("auto", CPU)
    assert devices.xla("auto", T4)
    assert not devices.xla("auto", devices.Device("gpu", 2, 7.5))
    assert devices.xla("auto", devices.Device("cpu", 2, backend="jax"))
    assert devices.xla(True, CPU) and not devices.xla(False, T4)


def test_the_cpu_repeats_to_the_bit():
    assert devices.deterministic("auto", CPU)
    assert not devices.deterministic("auto", T4)
    assert devices.deterministic(True, T4)


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


def test_two_devices_learn_what_one_does(tmp_path):
    overrides = (*conftest.TINY, "training.batch=8", "model.norm=group")
    overrides = (*overrides, "training.tensorboard=false", "model.widths=[8, 16]")
    # Overlap is that of a device's own part of the batch.
    overrides = (*overrides, "loss.bce=1.0", "loss.dice=0.0")
    command = [sys.executable, "-m", "tests.net.mirrored", str(tmp_path), *overrides]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd=conftest.ROOT
    )
    assert done.returncode == 0, done.stderr
    (one, losses), (two, mirrored) = json.loads(done.stdout.splitlines()[-1])
    assert (one, two) == (1, 2)
    assert mirrored == pytest.approx(losses, rel=1e-3)
