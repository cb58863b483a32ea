"""The time that a training waits for its batches."""

import time

import keras
import numpy as np
import pytest

from competition.net.input import training_data, training_samples, waiting
from competition.net.networks import build
from competition.net.training import losses, step
from tests.net.conftest import CLASSES


def test_the_time_until_each_batch_counts_and_that_in_between_does_not():
    times = iter([0, 2, 10, 13, 50, 51])
    counted = waiting.Waiting(lambda: next(times))
    assert counted.take() is None
    batches = counted.timed(iter("ab"))
    assert (next(batches), next(batches)) == ("a", "b")
    assert counted.take() == 5
    assert list(batches) == []
    assert counted.take() is None


def fitted(table, store, config, *, is_timed):
    keras.utils.set_random_seed(0)
    data = training_data.TrainingData(table, store)
    with data.batches(config) as batches:
        model = step.TrainingStep(
            build.build(config, CLASSES),
            losses.build(config.loss),
            waiting=data.waiting if is_timed else None,
        )
        model.compile(optimizer=keras.optimizers.SGD(0.05))
        model.fit(
            batches, steps_per_epoch=data.steps, epochs=2, shuffle=False, verbose=0
        )
    return model.get_weights(), data.waiting.take()


def test_slow_batches_are_waited_for(table, store, tiny, monkeypatch):
    make = training_samples.TrainingSamples.batch

    def slow(samples, number):
        time.sleep(0.3)
        return make(samples, number)

    monkeypatch.setattr(training_samples.TrainingSamples, "batch", slow)
    _, waited = fitted(table, store, tiny, is_timed=True)
    # Six batches, of which threads make several at once.
    assert waited > 0.3


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others always take batches there"
)
def test_a_training_that_is_timed_learns_the_same_to_the_bit(table, store, tiny):
    timed, waited = fitted(table, store, tiny, is_timed=True)
    alone, nothing = fitted(table, store, tiny, is_timed=False)
    assert waited is not None and nothing is None
    for one, other in zip(timed, alone, strict=True):
        np.testing.assert_array_equal(one, other)
