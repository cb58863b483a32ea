"""What a training needs, by hand and beside what it really writes."""

import pathlib
import shutil
import types

import keras
import pytest

from competition.core.experiment import configs
from competition.net import devices, needs
from competition.net.networks import build
from competition.net.training import schedules
from tests.net.conftest import CLASSES, TINY

CPU = devices.Device("cpu")


def size(variables):
    return sum(keras.ops.convert_to_numpy(each).nbytes for each in variables)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("training.ema=0.9", "training.accumulate=2"),
        ("training.optimizer=sgd", "training.swa_epochs=1"),
        ("training.optimizer=sgd", "training.momentum=0"),
    ],
)
def test_a_state_is_as_large_as_the_variables_that_it_keeps(overrides):
    wanted = configs.load("smoke", (*TINY, *overrides))
    network = build.build(wanted, CLASSES)
    optimizer = schedules.build_optimizer(wanted.training, steps=1)
    optimizer.build(network.trainable_variables)
    received = needs.of(network, wanted, CPU)
    mean = size(network.variables) if wanted.training.swa_epochs else 0
    kept = size(network.variables) + size(optimizer.variables) + mean
    # The optimizer also counts its steps.
    assert received.state == pytest.approx(kept, abs=64)
    assert received.weights == size(network.variables)


def test_the_memory_is_that_of_variables_gradients_and_outputs():
    stack = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)])
    network = keras.Model(stack, keras.layers.ReLU()(inner(stack)))
    wanted = configs.load("smoke", (*TINY, "training.batch=8"))
    # 12 weights and 4 biases, each with a gradient and Adam's two moments; 8 samples of
    # an input of 192 numbers, which both models list, and an output of 256.
    variables, outputs = 4 * 16 * 4, 8 * 4 * (192 + 256)
    assert needs.of(network, wanted, CPU).memory == variables + outputs
    shared = devices.Device("tpu", 8, backend="jax")
    assert needs.of(network, wanted, shared).memory == variables + outputs // 8


def test_folds_that_are_not_finished_take_most_of_the_disk():
    needed = needs.Needs(weights=10, state=30, memory=0)
    assert needed.disk(1) == 2 * 30 + 10 + 30 + 10
    assert needed.disk(5, at_once=2) == 5 * (2 * 30 + 10) + 2 * (30 + 10)
    assert needed.disk(1, at_once=2) == needed.disk(1)


def test_too_little_room_is_a_warning_that_says_what_to_do(monkeypatch, capsys):
    needed = needs.Needs(weights=10**9, state=4 * 10**9, memory=2 * 10**7)
    usage = types.SimpleNamespace(free=10**10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    said = needs.describe(needed, pathlib.Path("run"))
    assert said == (
        "needs about 20.0 MB of memory on each device, beside scans, and "
        "up to 14.0 GB of disk, of which 1.00 GB stay"
    )
    warned = " ".join(capsys.readouterr().err.split())
    assert "takes up to 14.0 GB here, and 10.0 GB are free. Make room" in warned
    usage.free = 10**11
    needs.describe(needed, pathlib.Path("run"))
    assert "warning" not in capsys.readouterr().err


def test_half_precision_halves_the_outputs():
    wanted = configs.load("smoke", (*TINY, "training.precision=bfloat16"))
    single = needs.of(build.build(wanted, CLASSES), wanted, CPU)
    with devices.policy("bfloat16", CPU):
        half = needs.of(build.build(wanted, CLASSES), wanted, CPU)
    assert 0.4 < half.memory / single.memory < 0.9
    assert half.state == single.state


def test_memory_that_may_be_too_small_is_said_before_the_first_step(capsys):
    wanted = configs.load("smoke", ("training.batch=8",))
    needed = needs.Needs(weights=1, state=1, memory=900, fixed=100)
    for free in (None, 900):
        needs.check(needed, wanted, free)
    assert not capsys.readouterr().err
    needs.check(needed, wanted, 500)
    said = " ".join(capsys.readouterr().err.split())
    assert "a batch of 8 may take 0.90 kB, and 0.50 kB of memory are free" in said
    assert "as much with training.batch=4 and training.accumulate=2, which may" in said
    with pytest.raises(
        ValueError, match=r"take 0\.10 kB, and 0\.09 kB .* Set a smaller"
    ):
        needs.check(needed, wanted, 90)


@pytest.mark.parametrize(
    ("backend", "remedy"),
    [
        ("jax", "training.batch=6 and training.accumulate=3"),
        # Mirrored GPUs refuse to accumulate.
        ("tensorflow", "halved. training.batch=6 may fit"),
    ],
)
def test_the_batch_that_may_fit_divides_among_the_devices(
    monkeypatch, capsys, backend, remedy
):
    two = devices.Device("gpu", 2, 8.0, backend)
    monkeypatch.setattr(devices, "find", lambda: two)
    wanted = configs.load("smoke", ("training.batch=16", "training.gpus=mirror"))
    needs.check(needs.Needs(1, 1, memory=1000, fixed=100), wanted, 500)
    assert remedy in " ".join(capsys.readouterr().err.split())
