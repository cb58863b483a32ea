"""The input: stacks gathered from memory-mapped scans, a batch at a time, by tf.data.

An element is {"stack": uint16 (B, h, w, K), "bits": uint8 or uint16 (B, h, w),
"window": float32 (B, 2), the low and high that the stack is normalised with}.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from competition.core import arrays, config, geometry, slices, stacks
from competition.net import augment

if TYPE_CHECKING:
    import pandas as pd

# Gathering waits for the disk more than it computes.
PARALLEL = 2
PREFETCH = 4


def training(
    table: "pd.DataFrame",
    arrays: arrays.Arrays,
    config: config.Config,
    *,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """All batches from `first_epoch` to the last epoch, augmented.

    A batch is a function of (seed, epoch, position) alone. Every epoch has
    len(table) // batch of them: the last, incomplete one is dropped.
    """
    steps = len(table) // config.training.batch
    if not steps:
        raise ValueError(
            f"Training needs at least one batch: `training.batch` is "
            f"{config.training.batch}, the fold has {len(table)} slices to train on. "
            f"Set training.batch={max(1, len(table))} or less."
        )
    samples = _Samples(table, arrays, config)
    # Indices are shuffled, not images.
    numbers = tf.data.Dataset.range(first_epoch * steps, config.training.epochs * steps)
    bits = arrays.masks(table["scan"].iloc[0]).dtype
    gather = _in_graph(samples.batch, (np.uint16, bits, np.float32))
    shape = config.training.batch, config.geometry.height, config.geometry.width

    def element(number: tf.Tensor) -> dict[str, tf.Tensor]:
        stack, bits, window = gather(number)
        return {
            "stack": tf.ensure_shape(stack, (*shape, len(config.slices))),
            "bits": tf.ensure_shape(bits, shape),
            "window": tf.ensure_shape(window, (shape[0], 2)),
        }

    return numbers.map(
        element, num_parallel_calls=PARALLEL, deterministic=True
    ).prefetch(PREFETCH)


def inference(
    volume: np.ndarray, windows: np.ndarray, config: config.Config
) -> tf.data.Dataset:
    """All slices of one scan in order, without "bits".

    Every batch is full, so that one compiled network serves all: the last repeats
    the last slice. `volume` is uint16 (D, H, W), `windows` (D, 2).
    """
    batch = config.training.batch
    shape = batch, config.geometry.height, config.geometry.width, len(config.slices)

    # A slice is in many stacks, so it is fitted before it is gathered.
    fitted = np.stack([geometry.fit(image, config.geometry) for image in volume])

    def stacked(start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.minimum(np.arange(start, start + batch), len(volume) - 1)
        gathered = [stacks.gather(fitted, index, config.slices) for index in chosen]
        return np.stack(gathered), windows[chosen].astype(np.float32)

    gather = _in_graph(stacked, (np.uint16, np.float32))

    def element(start: tf.Tensor) -> dict[str, tf.Tensor]:
        stack, window = gather(start)
        return {
            "stack": tf.ensure_shape(stack, shape),
            "window": tf.ensure_shape(window, (batch, 2)),
        }

    starts = tf.data.Dataset.range(0, len(volume), batch)
    return starts.map(
        element, num_parallel_calls=PARALLEL, deterministic=True
    ).prefetch(PREFETCH)


class _Samples:
    """The training slices, a batch of them by its number since epoch 0."""

    def __init__(
        self, table: "pd.DataFrame", arrays: arrays.Arrays, config: config.Config
    ) -> None:
        self.scans = table["scan"].tolist()
        self.indices = table["index"].tolist()
        self.windows = slices.windows(table, config.intensity)
        self.arrays = arrays
        self.config = config
        self.order = functools.lru_cache(maxsize=2)(self._order)

    def _order(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng([self.config.seed, epoch])
        return random.permutation(len(self.scans))

    def batch(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gather batch `number`: stacks, bits and windows."""
        size = self.config.training.batch
        epoch, step = divmod(int(number), len(self.scans) // size)
        positions = range(step * size, (step + 1) * size)
        rows = self.order(epoch)[positions.start : positions.stop]
        pairs = [self._sample(row) for row in rows]
        if self.config.augment.engine == "host":
            # Batches run in parallel and a transform holds random state.
            transform = augment.transform(self.config.augment)
            seeds = [(self.config.seed, epoch, position) for position in positions]
            pairs = [
                augment.apply(transform, *pair, seed=seed)
                for pair, seed in zip(pairs, seeds, strict=True)
            ]
        stack, bits = zip(*pairs, strict=True)
        return np.stack(stack), np.stack(bits), self.windows[rows]

    def _sample(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        scan, index = self.scans[row], self.indices[row]
        stack = stacks.gather(self.arrays.scan(scan), index, self.config.slices)
        bits = np.asarray(self.arrays.masks(scan)[index])
        target = self.config.geometry
        return geometry.fit(stack, target), geometry.fit_mask(bits, target)


def _in_graph(
    function: Callable[[np.ndarray], tuple[np.ndarray, ...]], types: tuple
) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Make a function of one number usable in `map`."""

    def call(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Called stateful, it would run one at a time under op determinism.
        return tf.numpy_function(function, [number], types, stateful=False)

    return call
