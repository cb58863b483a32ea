"""The input: stacks gathered from memory-mapped scans, a batch at a time, by tf.data.

An element is {"stack": uint16 (B, h, w, K), "bits": uint8 or uint16 (B, h, w),
"window": float32 (B, 2), the low and high that the stack is normalised with}, and, by
the names in draw.py, what the training step is to do to it.
"""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from competition.core import geometry, stacks
from competition.core.data import arrays
from competition.core.experiment import configs, schema
from competition.net.augment import augment_params, engines
from competition.net.input import samples

if TYPE_CHECKING:
    import pandas as pd

# Batches made at once. Gathering waits for the disk more than it computes, and the
# engine "host" computes; more than these would only hold memory.
PARALLEL = min(8, max(2, os.cpu_count() or 2))
PREFETCH = 4
Batch = dict[str, tf.Tensor]


class TrainingData:
    """The slices that a fold learns from: their batches, and the names in a batch."""

    def __init__(self, table: "pd.DataFrame", store: arrays.Arrays) -> None:
        self.table, self.store = table, store

    def batches(
        self, config: configs.Config, *, first_epoch: int = 0
    ) -> tf.data.Dataset:
        """Return all batches from `first_epoch` to the last epoch, augmented."""
        engine = engines.engine(config.augment)
        self.source = samples.TrainingSamples(
            self.table, self.store, config, engine=engine
        )
        return _batches(self.source, config, first_epoch=first_epoch)

    def ids(self, number: int) -> list[str]:
        """Return the slices of batch `number` since epoch 0 of the last `batches`."""
        return list(self.table["id"].iloc[self.source.rows(number)])


def training(
    table: "pd.DataFrame",
    store: arrays.Arrays,
    config: configs.Config,
    *,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Return the batches of `TrainingData` where nobody asks for their slices."""
    return TrainingData(table, store).batches(config, first_epoch=first_epoch)


def _batches(
    source: samples.TrainingSamples, config: configs.Config, *, first_epoch: int
) -> tf.data.Dataset:
    """All batches from `first_epoch` to the last epoch, augmented.

    A batch is a function of (seed, epoch, position) alone. Every epoch has as many:
    the last, incomplete one is dropped.
    """
    specs = source.specs()
    # Indices are shuffled, not images.
    last = config.training.epochs * source.steps
    numbers = tf.data.Dataset.range(first_epoch * source.steps, last)
    gather = _in_graph(
        lambda number: tuple(source.batch(int(number)).values()),
        tuple(dtype for _, dtype in specs.values()),
    )
    finish = _addons(config.augment) if source.engine == "addons" else dict

    def element(number: tf.Tensor) -> dict[str, tf.Tensor]:
        values = zip(specs.items(), gather(number), strict=True)
        batch = {
            name: tf.ensure_shape(value, shape) for (name, (shape, _)), value in values
        }
        return finish(batch)

    batches = numbers.map(element, num_parallel_calls=PARALLEL, deterministic=True)
    # There is nothing left to tune, and the thread that would holds up the end of
    # `fit` until its next turn: 2.5 s of the first 10, later up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(PREFETCH).with_options(options)


def _addons(limits: schema.Augment) -> Callable[[Batch], Batch]:
    """What tensorflow-addons does to a batch in the graph."""
    from competition.net.augment import augment_addons

    augment_addons.addons()

    def finish(batch: Batch) -> Batch:
        drawn = {
            name: batch[name] for name in batch if name in augment_params.LEFT["addons"]
        }
        left = {
            name: batch[name] for name in batch if name in augment_params.LEFT["host"]
        }
        return augment_addons.apply(batch, drawn, limits) | left

    return finish


def inference(
    volume: np.ndarray,
    windows: np.ndarray,
    config: configs.Config,
    *,
    batch: int | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """All slices of one scan in order, without "bits".

    Every batch is full, so that one compiled network serves all: the last repeats
    the last slice. `volume` is uint16 (D, H, W), `windows` (D, 2). The training's
    batch, or that of `batch` slices.
    """
    # Not by tf.data: to start a pipeline for a scan takes longer than to gather it.
    batch = batch or config.training.batch
    # A slice is in many stacks, so it is fitted before it is gathered.
    fitted = np.stack([geometry.fit(image, config.geometry) for image in volume])
    for start in range(0, len(volume), batch):
        chosen = np.minimum(np.arange(start, start + batch), len(volume) - 1)
        gathered = [stacks.gather(fitted, index, config.slices) for index in chosen]
        yield {
            "stack": np.stack(gathered),
            "window": windows[chosen].astype(np.float32),
        }


def _in_graph(
    function: Callable[[np.ndarray], tuple[np.ndarray, ...]], types: tuple
) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Make a function of one number usable in `map`."""

    def call(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Called stateful, it would run one at a time under op determinism.
        return tf.numpy_function(function, [number], types, stateful=False)

    return call
