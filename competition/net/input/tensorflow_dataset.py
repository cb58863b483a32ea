"""The training batches as a tf.data stream: the only module here with TensorFlow."""

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from competition.core.data import arrays
from competition.core.experiment import configs
from competition.net.input import training_samples

if TYPE_CHECKING:
    import pandas as pd

# Batches made at once. Gathering waits for the disk more than it computes, and the
# engine "host" computes; more threads than these would only hold memory.
PARALLEL = min(8, max(2, os.cpu_count() or 2))
PREFETCH = 4
Batch = dict[str, tf.Tensor]


class TrainingData:
    """The slices that a fold learns from: their batches, and the ids in a batch."""

    def __init__(self, table: "pd.DataFrame", store: arrays.Arrays) -> None:
        self.table, self.store = table, store

    def batches(
        self, config: configs.Config, *, first_epoch: int = 0
    ) -> tf.data.Dataset:
        """Return all batches from `first_epoch` to the last epoch, augmented.

        Every epoch has the same number of batches; the last, incomplete one is dropped.
        """
        samples = training_samples.TrainingSamples(self.table, self.store, config)
        self.samples = samples
        last = config.training.epochs * samples.steps
        # The numbers of batches flow through tf.data, which makes them in parallel.
        numbers = tf.data.Dataset.range(first_epoch * samples.steps, last)
        batches = _make(numbers, samples)
        # There is nothing left to tune, and the thread that would holds up the end of
        # `fit` until its next turn: 2.5 s of the first 10, later up to a minute.
        options = tf.data.Options()
        options.autotune.enabled = False
        return batches.prefetch(PREFETCH).with_options(options)

    def ids(self, number: int) -> list[str]:
        """Return the slices of batch `number` since epoch 0 of the last `batches`."""
        return self.samples.ids(number)


def _make(
    numbers: tf.data.Dataset, samples: training_samples.TrainingSamples
) -> tf.data.Dataset:
    """Turn the numbers of batches into batches, in their order."""
    types = [dtype for _, dtype in samples.specs.values()]
    finish = _in_graph(samples)

    def batch(number: tf.Tensor) -> Batch:
        # Called stateful, it would run one at a time under op determinism.
        arrays = tf.numpy_function(
            lambda number: tuple(samples.batch(int(number)).values()),
            [number],
            types,
            stateful=False,
        )
        # What comes out of NumPy has no static shape, which networks need.
        pairs = zip(arrays, samples.specs.items(), strict=True)
        return finish(
            {name: tf.ensure_shape(array, shape) for array, (name, (shape, _)) in pairs}
        )

    return numbers.map(batch, num_parallel_calls=PARALLEL, deterministic=True)


def _in_graph(
    samples: training_samples.TrainingSamples,
) -> Callable[[Batch], Batch]:
    """Return what is done to a batch in the graph: nothing, but by engine "addons"."""
    if samples.engine != "addons":
        return dict
    from competition.net.augment import augment_addons

    # Raised while the graph is traced, the error would be buried in a trace.
    augment_addons.addons()
    return functools.partial(augment_addons.apply, limits=samples.config.augment)
