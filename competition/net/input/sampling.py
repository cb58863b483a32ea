"""Which slices an epoch shows, and in which order: a function of (seed, epoch)."""

from typing import TYPE_CHECKING

import numpy as np

from competition.core.data import arrays
from competition.core.experiment import schema

if TYPE_CHECKING:
    import pandas as pd


def presence(table: "pd.DataFrame", store: arrays.Arrays) -> np.ndarray:
    """The mask bits that each slice of the table has anywhere (N,); reads all masks."""
    present = np.empty(len(table), np.int64)
    for scan, rows in table.groupby("scan", sort=False).indices.items():
        masks = store.masks(scan)
        each = np.bitwise_or.reduce(masks.reshape(len(masks), -1), axis=1)
        present[rows] = each[table["index"].to_numpy()[rows]]
    return present


def size(present: np.ndarray, sampling: schema.Sampling) -> int:
    """How many samples an epoch has."""
    if sampling.slices == "all":
        return len(present)
    positives = int(np.count_nonzero(present))
    if not positives:
        raise ValueError(
            f'`sampling.slices` = "{sampling.slices}" needs slices with an organ. '
            f"Received: {len(present)} slices to train on, all empty. "
            'Use sampling.slices="all", or look at the masks.'
        )
    return positives + _kept(present, sampling)


def order(
    present: np.ndarray, sampling: schema.Sampling, *, seed: int, epoch: int
) -> np.ndarray:
    """The rows of an epoch, shuffled: `size` of them.

    "balanced" draws equally many for each class; of a class with few slices it takes
    all before it takes one again.
    """
    random = np.random.default_rng((seed, epoch))
    if sampling.slices == "all":
        return random.permutation(len(present))
    rows = np.flatnonzero(present)
    if sampling.slices == "balanced":
        rows = _balanced(present, random)
    empty = random.permutation(np.flatnonzero(present == 0))
    kept = empty[: _kept(present, sampling)]
    return random.permutation(np.concatenate([rows, kept]))


def _kept(present: np.ndarray, sampling: schema.Sampling) -> int:
    return round(sampling.empties * np.count_nonzero(present == 0))


def _balanced(present: np.ndarray, random: np.random.Generator) -> np.ndarray:
    every = int(np.bitwise_or.reduce(present))
    bits = [1 << bit for bit in range(every.bit_length()) if every >> bit & 1]
    quotas = np.array_split(np.flatnonzero(present), len(bits))
    return np.concatenate(
        [
            _cycle(np.flatnonzero(present & bit), len(quota), random)
            for bit, quota in zip(bits, quotas, strict=True)
        ]
    )


def _cycle(rows: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    rounds = [random.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate([rows[:0], *rounds])[:count]
