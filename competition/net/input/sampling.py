"""The slices of an epoch in their order, which depends only on (seed, epoch)."""

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
        masks = store.masks(str(scan))
        of_slices = np.bitwise_or.reduce(masks.reshape(len(masks), -1), axis=1)
        present[rows] = of_slices[table["index"].to_numpy()[rows]]
    return present


def order(
    present: np.ndarray, sampling: schema.Sampling, *, seed: int, epoch: int
) -> np.ndarray:
    """Return the rows of an epoch, shuffled; every epoch has the same number.

    `present` (N,) holds the mask bits of each slice; at least one slice must have any.
    """
    random = np.random.default_rng((seed, epoch))
    if sampling.slices == "all":
        return random.permutation(len(present))
    balanced = sampling.slices == "balanced"
    rows = _balanced(present, random) if balanced else np.flatnonzero(present)
    empty = random.permutation(np.flatnonzero(present == 0))
    chosen = empty[: round(sampling.empties * len(empty))]
    return random.permutation(np.concatenate([rows, chosen]))


def _balanced(present: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw as many rows as have an organ, the same number from each class.

    All rows of a class are drawn before one is drawn again.
    """
    bits = [bit for bit in 1 << np.arange(16) if (present & bit).any()]
    quotas = np.array_split(np.flatnonzero(present), len(bits))
    drawn = []
    for bit, quota in zip(bits, quotas, strict=True):
        rows = np.flatnonzero(present & bit)
        for first in range(0, len(quota), len(rows)):
            drawn.append(random.permutation(rows)[: len(quota) - first])
    return np.concatenate(drawn)
