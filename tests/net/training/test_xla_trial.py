"""Training steps are tried with and without XLA where there is a choice."""

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net import devices
from competition.net.training import weights, xla_trial

T4 = devices.Device("gpu", 1, 7.5)


class Steps:
    """Stands in for a training step: it takes some seconds, or fails."""

    def __init__(self, network, clock, seconds):
        self.network, self.clock, self.seconds = network, clock, seconds

    def train_on_batch(self, batch):
        """Learn something, in the time that this takes."""
        if isinstance(self.seconds, Exception):
            raise self.seconds
        weights.assign(self.network.weights, [w + 1 for w in _values(self.network)])
        self.clock[0] += self.seconds


def _values(network):
    return weights.to_arrays(network.weights)


@pytest.fixture
def choose(monkeypatch):
    """Choose between steps that take these seconds without and with XLA."""
    clock = [0.0]
    monkeypatch.setattr(xla_trial.time, "perf_counter", lambda: clock[0])
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    before = _values(network)

    def chosen(without, with_xla, *overrides, device=T4):
        monkeypatch.setattr(devices, "find", lambda: device)
        training = configs.load("smoke", overrides).training
        seconds = {False: without, True: with_xla}
        result = xla_trial.choose(
            training, network, lambda xla: Steps(network, clock, seconds[xla]), [{}]
        )
        for one, other in zip(before, _values(network), strict=True):
            np.testing.assert_array_equal(one, other)
        return result

    return chosen


def test_the_faster_way_is_chosen_and_the_weights_stay(choose):
    assert choose(0.2, 0.1)
    # Depthwise convolutions.
    assert not choose(0.1, 0.8)


def test_a_compiler_that_fails_is_a_warning(choose, capsys):
    assert not choose(0.2, RuntimeError("Couldn't find ptxas"))
    said = " ".join(capsys.readouterr().err.split())
    assert "XLA cannot compile the training step" in said and "ptxas" in said
    # What fits without XLA keeps its batch.
    assert not choose(0.2, RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        choose(RuntimeError("out of memory"), 0.1)


def test_nothing_is_tried_where_there_is_no_choice(choose):
    never = AssertionError("tried")
    assert choose(never, never, "training.xla=true")
    assert not choose(never, never, "training.xla=false")
    assert not choose(never, never, device=devices.Device("cpu"))
    assert choose(never, never, device=devices.Device("gpu", 2, backend="jax"))
    two = devices.Device("gpu", 2, 7.5)
    assert not choose(never, never, 'training.gpus="mirror"', device=two)
