"""The training batches of a fold as a stream, made by several threads ahead of time."""

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING

from competition.core.data import arrays
from competition.core.experiment import configs
from competition.machine import threads
from competition.net.frameworks import keras
from competition.net.input import resident_scans, training_samples, waiting

if TYPE_CHECKING:
    import pandas as pd

# Batches made at once. Gathering waits for the disk more than it computes, and the
# engine "host" computes; more threads than these would only hold memory.
PARALLEL = min(8, max(2, os.cpu_count() or 2))


class TrainingData:
    """The slices that a fold learns from: their batches, and the ids in a batch.

    `steps`, the number of batches of an epoch, and `scans`, the scans on the device or
    None, are known inside `batches`. `waiting` counts how long `fit` waits for batches.
    """

    scans: resident_scans.ResidentScans | None = None

    def __init__(self, table: "pd.DataFrame", store: arrays.Arrays) -> None:
        self.table, self.store = table, store
        self._is_device_full, self._place = False, "host"
        self.waiting = waiting.Waiting()

    def place(self, config: configs.Config) -> str:
        """Return where the scans of the batches are gathered: "device" or "host"."""
        if self._is_device_full:
            return "host"
        return resident_scans.place(self.table, self.store, config)

    def leave_device(self, config: configs.Config) -> bool:
        """Gather on the host from now on; return whether that is a change."""
        # `place` is not called again: the scans now take the memory that it looks for.
        leaves = config.input.place == "auto" and self._place == "device"
        self._is_device_full |= leaves
        return leaves

    @contextlib.contextmanager
    def batches(
        self, config: configs.Config, *, first_epoch: int = 0
    ) -> Iterator[Iterable]:
        """Give `fit` all batches from `first_epoch` to the last epoch, augmented.

        Every epoch has the same number of batches; the last, incomplete one is dropped.
        TensorFlow gets them from tf.data, other backends from threads, which end with
        the `with` block.
        """
        self.scans, self._place = None, self.place(config)
        if self._place == "device":
            self.scans = resident_scans.ResidentScans(self.table, self.store, config)
        samples = training_samples.TrainingSamples(
            self.table, self.store, config, scans=self.scans
        )
        self.samples, self.steps = samples, samples.steps
        numbers = range(
            first_epoch * samples.steps, config.training.epochs * samples.steps
        )
        if keras.backend.backend() == "tensorflow":
            from competition.net import tensorflow_backend

            yield tensorflow_backend.stream(samples, numbers, parallel=PARALLEL)
            return
        if samples.engine == "addons":
            raise ValueError(
                '`augment.engine` = "addons" needs TensorFlow. Received: the backend '
                f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow, or "
                "augment.engine=auto."
            )
        # Keras keeps the batches in a reference cycle, which would keep the threads.
        with contextlib.closing(stream(samples, numbers)) as batches:
            yield self.waiting.timed(batches)

    def ids(self, number: int) -> list[str]:
        """Return the slices of batch `number` since epoch 0 of the last `batches`."""
        return self.samples.ids(number)


def stream(
    samples: training_samples.TrainingSamples, numbers: range
) -> Generator[tuple[training_samples.Batch]]:
    """Return the batches of these numbers, in order, each alone in a tuple for `fit`.

    An error in a thread is raised here. The threads end with the stream.
    """
    return threads.in_order(
        lambda number: (samples.batch(number),),
        numbers,
        threads=PARALLEL,
        ahead=2 * PARALLEL,
    )
