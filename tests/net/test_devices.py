"""What follows from the device, and several of them."""

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
    def xla(setting, device, backend="tensorflow"):
        return devices.xla(setting, device, backend=backend)

    assert not xla("auto", CPU)
    assert xla("auto", T4)
    assert not xla("auto", devices.Device("gpu", 2, 7.5))
    assert xla("auto", CPU, backend="jax")
    assert xla(True, CPU) and not xla(False, T4)


def test_the_cpu_repeats_to_the_bit():
    assert devices.deterministic("auto", CPU)
    assert not devices.deterministic("auto", T4)
    assert devices.deterministic(True, T4)


def test_gpus_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert devices.gpus() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert devices.gpus() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert devices.gpus() == []


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to"), True),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), True),
        (ValueError("shapes differ"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error, is_memory):
    assert devices.is_out_of_memory(error) is is_memory


MIRRORED = """
import functools, json, sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
logical = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
tf.config.set_logical_device_configuration(cpu, logical)
import keras
from competition.core import config
from competition.machine import devices
from competition.net import build, callbacks, training
overrides = sys.argv[2].split(";")
wanted = config.load("smoke", tuple(overrides))
random = np.random.default_rng(0)
stack = random.integers(0, 1000, (16, 32, 32, 5)).astype(np.uint16)
bits = (stack[..., 2] > 500).astype(np.uint8)
window = np.tile(np.array([0, 1000], np.float32), (16, 1))
whole = tf.data.Dataset.from_tensor_slices(
    {"stack": stack, "bits": bits, "window": window})
def stream(config, *, first_epoch):
    left = config.training.epochs - first_epoch
    return whole.batch(config.training.batch, drop_remainder=True).repeat(left)
ends = []
for name in ("one", "mirror"):
    device = devices.find()
    training.seed(0)
    with devices.mirrored(name, device):
        network = build.build(wanted, 2)
        history = training.fit(
            network, wanted, train=stream,
            folder=__import__("pathlib").Path(sys.argv[1]) / name,
            hooks=callbacks.Hooks(score=lambda network: 0.5))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
    ends.append((replicas, [row["loss"] for row in history]))
print(json.dumps(ends))
"""


def test_two_devices_learn_what_one_does(tmp_path):
    overrides = (*conftest.TINY, "training.batch=8", "model.norm=group")
    overrides = (*overrides, "training.tensorboard=false", "model.widths=[8, 16]")
    # Overlap is that of a device's own part of the batch.
    overrides = (*overrides, "loss.bce=1.0", "loss.dice=0.0")
    command = [sys.executable, "-c", MIRRORED, str(tmp_path), ";".join(overrides)]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", cwd=conftest.ROOT
    )
    assert done.returncode == 0, done.stderr
    (one, losses), (two, mirrored) = json.loads(done.stdout.splitlines()[-1])
    assert (one, two) == (1, 2)
    assert mirrored == pytest.approx(losses, rel=1e-3)
