"""The training batches as a tf.data stream: the only module here with TensorFlow."""

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
        batches = tf.data.Dataset.range(first_epoch * samples.steps, last)
        batches = _map(batches, _batch_of_number(samples))
        if samples.engine == "addons":
            from competition.net.augment import augment_addons

            # Raised while the graph is traced, the error would be buried in a trace.
            augment_addons.addons()
            limits = config.augment
            batches = _map(batches, lambda b: augment_addons.apply(b, limits=limits))
        # There is nothing left to tune, and the thread that would holds up the end of
        # `fit` until its next turn: 2.5 s of the first 10, later up to a minute.
        options = tf.data.Options()
        options.autotune.enabled = False
        return batches.prefetch(PREFETCH).with_options(options)

    def ids(self, number: int) -> list[str]:
        """Return the slices of batch `number` since epoch 0 of the last `batches`."""
        return self.samples.ids(number)


def _map(data: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    return data.map(function, num_parallel_calls=PARALLEL, deterministic=True)


def _batch_of_number(
    samples: training_samples.TrainingSamples,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Return the function of tf.data from the number of a batch to the batch."""
    # NumPy's arrays come out without static shapes, which networks need.
    example = samples.batch(0)
    types = [array.dtype for array in example.values()]

    def batch(number: tf.Tensor) -> dict[str, tf.Tensor]:
        # Called stateful, it would run one at a time under op determinism.
        arrays = tf.numpy_function(
            lambda number: tuple(samples.batch(int(number)).values()),
            [number],
            types,
            stateful=False,
        )
        return {
            name: tf.ensure_shape(array, example[name].shape)
            for name, array in zip(example, arrays, strict=True)
        }

    return batch
