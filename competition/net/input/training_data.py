"""The training batches of a fold as a stream, made by several threads ahead of time."""

import collections
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import TYPE_CHECKING

import keras

from competition.core.data import arrays
from competition.core.experiment import configs
from competition.net.input import training_samples

if TYPE_CHECKING:
    import pandas as pd

# Batches made at once. Gathering waits for the disk more than it computes, and the
# engine "host" computes; more threads than these would only hold memory.
PARALLEL = min(8, max(2, os.cpu_count() or 2))


class TrainingData:
    """The slices that a fold learns from: their batches, and the ids in a batch.

    `steps`, the number of batches of an epoch, is known after `batches`.
    """

    def __init__(self, table: "pd.DataFrame", store: arrays.Arrays) -> None:
        self.table, self.store = table, store

    def batches(self, config: configs.Config, *, first_epoch: int = 0) -> Iterable:
        """Return all batches from `first_epoch` to the last epoch, augmented.

        Every epoch has the same number of batches; the last, incomplete one is dropped.
        TensorFlow gets them from tf.data, other backends from threads.
        """
        samples = training_samples.TrainingSamples(self.table, self.store, config)
        self.samples, self.steps = samples, samples.steps
        numbers = range(
            first_epoch * samples.steps, config.training.epochs * samples.steps
        )
        if keras.backend.backend() == "tensorflow":
            from competition.net import tensorflow_backend

            return tensorflow_backend.stream(samples, numbers, parallel=PARALLEL)
        if samples.engine == "addons":
            raise ValueError(
                '`augment.engine` = "addons" needs TensorFlow. Received: the backend '
                f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow, or "
                "augment.engine=auto."
            )
        return stream(samples, numbers)

    def ids(self, number: int) -> list[str]:
        """Return the slices of batch `number` since epoch 0 of the last `batches`."""
        return self.samples.ids(number)


def stream(
    samples: training_samples.TrainingSamples, numbers: range
) -> Iterator[tuple[training_samples.Batch]]:
    """Yield the batches of these numbers, in order, each alone in a tuple for `fit`.

    An error in a thread is raised here. The threads end with the stream.
    """
    waiting: collections.deque[futures.Future] = collections.deque()
    left = iter(numbers)
    with futures.ThreadPoolExecutor(PARALLEL, "batches") as threads:
        for number in itertools.islice(left, 2 * PARALLEL):
            waiting.append(threads.submit(samples.batch, number))
        while waiting:
            batch = waiting.popleft().result()
            for number in itertools.islice(left, 1):
                waiting.append(threads.submit(samples.batch, number))
            yield (batch,)
