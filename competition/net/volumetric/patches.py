"""Patches of a scan: where they lie along each axis, and how much each counts there.

An axis shorter than the patch has one patch, from 0; what sticks out is left.
"""

import itertools
from collections.abc import Sequence

import numpy as np

# Of the patch: a Gaussian this wide is nearly 0 at the border, where a network sees
# only half of what lies around.
SIGMA = 1 / 8
Place = tuple[int, int, int]
Shares = tuple[np.ndarray, np.ndarray, np.ndarray]


def starts(size: int, patch: int) -> list[int]:
    """Where patches begin that cover `size` evenly, neighbours sharing half or more."""
    left = size - patch
    if left <= 0:
        return [0]
    count = -(-left // max(1, patch // 2)) + 1
    return [left * number // (count - 1) for number in range(count)]


def weights(size: int, patch: int) -> np.ndarray:
    """The share that each patch has in each of its places: float32 (patches, patch).

    A Gaussian about the patch's centre, over the sum of all patches' at that place.
    """
    offsets = np.arange(patch) - (patch - 1) / 2
    bell = np.exp(-0.5 * np.square(offsets / (SIGMA * patch)))
    first = starts(size, patch)
    total = np.zeros(max(size, patch))
    for start in first:
        total[start : start + patch] += bell
    shares = [bell / total[start : start + patch] for start in first]
    return np.array(shares, np.float32)


def cover(shape: Sequence[int], patch: Sequence[int]) -> list[tuple[Place, Shares]]:
    """Each patch's first voxel in a volume (D, H, W), and its weights along each axis.

    Their outer products, of all patches together, sum to 1 at every voxel. In the order
    of the slices.
    """
    axes = [
        list(zip(starts(*each), weights(*each), strict=True))
        for each in zip(shape, patch, strict=True)
    ]
    return [
        ((z, y, x), (deep, high, wide))
        for (z, deep), (y, high), (x, wide) in itertools.product(*axes)
    ]


def start_around(place: int, size: int, patch: int) -> int:
    """Where a patch begins that has `place` in its middle, or as nearly as it fits."""
    return max(0, min(place - patch // 2, size - patch))
