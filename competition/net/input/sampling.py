"""The slices of an epoch in their order, a function of (seed, epoch) alone."""

from typing import TYPE_CHECKING

import numpy as np

from competition.core.data import arrays
from competition.core.experiment import schema

if TYPE_CHECKING:
    import pandas as pd


def presence(table: "pd.DataFrame", store: arrays.Arrays) -> np.ndarray:
    """Return the mask bits that each slice has in any pixel (N,); reads all masks."""
    present = np.empty(len(table), np.int64)
    for scan, rows in table.groupby("scan", sort=False).indices.items():
        masks = store.masks(scan)
        of_slices = np.bitwise_or.reduce(masks.reshape(len(masks), -1), axis=1)
        present[rows] = of_slices[table["index"].to_numpy()[rows]]
    return present


def size(present: np.ndarray, sampling: schema.Sampling) -> int:
    """Return the number of slices in an epoch; without organs there may be none."""
    if sampling.slices == "all":
        return len(present)
    positives = int(np.count_nonzero(present))
    if not positives:
        raise ValueError(
            f'`sampling.slices` = "{sampling.slices}" needs slices with an organ. '
            f"Received: {len(present)} slices to train on, all empty. "
            'Use sampling.slices="all", or look at the masks.'
        )
    return positives + _empties(present, sampling)


def order(
    present: np.ndarray, sampling: schema.Sampling, *, seed: int, epoch: int
) -> np.ndarray:
    """Return the rows of an epoch, shuffled: `size` of them.

    "balanced" draws as many slices of each class; all those of a class are drawn
    before one is drawn again.
    """
    random = np.random.default_rng((seed, epoch))
    if sampling.slices == "all":
        return random.permutation(len(present))
    rows = np.flatnonzero(present)
    if sampling.slices == "balanced":
        rows = _balanced(present, random)
    empty = random.permutation(np.flatnonzero(present == 0))
    chosen = empty[: _empties(present, sampling)]
    return random.permutation(np.concatenate([rows, chosen]))


def _empties(present: np.ndarray, sampling: schema.Sampling) -> int:
    return round(sampling.empties * np.count_nonzero(present == 0))


def _balanced(present: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw from the slices of each class in turn as many rows as have an organ."""
    classes = int(np.bitwise_or.reduce(present))
    bits = [1 << bit for bit in range(classes.bit_length()) if classes >> bit & 1]
    quotas = np.array_split(np.flatnonzero(present), len(bits))
    return np.concatenate(
        [
            _cycle(np.flatnonzero(present & bit), len(quota), random)
            for bit, quota in zip(bits, quotas, strict=True)
        ]
    )


def _cycle(rows: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw `count` rows, all of them before one again; none where there are none."""
    rounds = [random.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate([rows[:0], *rounds])[:count]
