"""The streams of batches from tf.data and from threads are the same, and end."""

import itertools
import threading

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.input import training_data, training_samples
from competition.net.networks import build
from competition.net.training import losses, schedules, step
from tests.net.conftest import CLASSES, TINY


@pytest.fixture
def samples(table, store, tiny):
    return training_samples.TrainingSamples(table, store, tiny)


def in_threads():
    return [each for each in threading.enumerate() if each.name.startswith("ahead")]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's tf.data"
)
@pytest.mark.parametrize("engine", ["none", "host", "device"])
@pytest.mark.parametrize("first", [0, 5])
def test_both_backends_see_the_same_batches_to_the_bit(table, store, engine, first):
    from competition.net import tensorflow_backend

    config = configs.load("smoke", (*TINY, f"augment.engine={engine}"))
    samples = training_samples.TrainingSamples(table, store, config)
    numbers = range(first, 4 * samples.steps)
    threaded = list(training_data.stream(samples, numbers))
    mapped = tensorflow_backend.stream(samples, numbers, parallel=2)
    assert len(threaded) == 12 - first
    for (one,), other in zip(threaded, mapped.as_numpy_iterator(), strict=True):
        assert one.keys() == other.keys()
        for name, array in one.items():
            assert array.dtype == other[name].dtype
            np.testing.assert_array_equal(array, other[name])


def test_threads_make_the_batches_in_order_and_end_with_the_stream(samples):
    stream = training_data.stream(samples, range(12))
    for number, (batch,) in enumerate(itertools.islice(stream, 3)):
        np.testing.assert_array_equal(batch["stack"], samples.batch(number)["stack"])
    assert in_threads()
    stream.close()
    assert not in_threads()
    assert len(list(training_data.stream(samples, range(12)))) == 12
    assert not in_threads()


def test_an_error_in_a_thread_is_raised_where_the_batch_is_read(samples, monkeypatch):
    def batch(number):
        if number == 2:
            raise OSError("the disk is gone")
        return {"number": number}

    monkeypatch.setattr(samples, "batch", batch)
    stream = training_data.stream(samples, range(12))
    assert [next(stream), next(stream)] == [({"number": 0},), ({"number": 1},)]
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert not in_threads()


@pytest.mark.parametrize("at", [0, 4])
def test_an_error_in_a_thread_comes_through_fit(table, store, monkeypatch, at):
    make = training_samples.TrainingSamples.batch

    def batch(samples, number):
        if number == at:
            raise OSError("the disk is gone")
        return make(samples, number)

    monkeypatch.setattr(training_samples.TrainingSamples, "batch", batch)
    config = configs.load("smoke", (*TINY, "model.widths=[4]", "training.ema=0.9"))
    model = step.TrainingStep(build.build(config, CLASSES), losses.build(config.loss))
    model.compile(optimizer=schedules.build_optimizer(config.training, steps=3))
    data = training_data.TrainingData(table, store)
    # TensorFlow has an error of its own for it.
    with (
        pytest.raises(Exception, match="the disk is gone"),
        data.batches(config) as batches,
    ):
        model.fit(batches, steps_per_epoch=3, epochs=4, shuffle=False, verbose=0)
    assert not in_threads()


def test_fit_takes_each_batch_once_and_in_its_order(table, store, tiny):
    def model():
        keras.utils.set_random_seed(0)
        model = step.TrainingStep(build.build(tiny, CLASSES), losses.build(tiny.loss))
        model.compile(optimizer=keras.optimizers.SGD(0.05))
        return model

    data = training_data.TrainingData(table, store)
    fitted, stepped = model(), model()
    with data.batches(tiny) as batches:
        fitted.fit(
            batches, steps_per_epoch=data.steps, epochs=2, shuffle=False, verbose=0
        )
    # The stream would have gone on for two epochs more.
    assert not in_threads()
    for number in range(2 * data.steps):
        stepped.train_on_batch(data.samples.batch(number))
    for one, other in zip(fitted.get_weights(), stepped.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow is the backend"
)
def test_addons_needs_tensorflow(table, store):
    config = configs.load("smoke", (*TINY, "augment.engine=addons"))
    with pytest.raises(ValueError, match=r'"addons" needs TensorFlow.*backend jax\.'):
        with training_data.TrainingData(table, store).batches(config):
            pass
