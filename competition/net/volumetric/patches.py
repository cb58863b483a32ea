"""The patches that cover a scan: their places along each axis, and their weights.

An axis shorter than the patch has one patch, from 0, which ends beyond the axis.
"""

import itertools
from collections.abc import Sequence

import numpy as np

# As a share of the patch. A Gaussian of this width is nearly 0 at the border, where a
# network sees only half of the surroundings.
SIGMA = 1 / 8
Corner = tuple[int, int, int]
Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def starts(size: int, patch: int) -> list[int]:
    """Return the starts of patches that cover `size` evenly, sharing half or more."""
    last = size - patch
    if last <= 0:
        return [0]
    count = -(-last // max(1, patch // 2)) + 1
    return [last * number // (count - 1) for number in range(count)]


def weights(size: int, patch: int) -> np.ndarray:
    """Return the weight of each patch at each of its places: float32 (patches, patch).

    It is a Gaussian around the patch's centre, divided by the sum of those of all
    patches at that place.
    """
    offsets = np.arange(patch) - (patch - 1) / 2
    bell = np.exp(-0.5 * np.square(offsets / (SIGMA * patch)))
    first = starts(size, patch)
    total = np.zeros(max(size, patch))
    for start in first:
        total[start : start + patch] += bell
    shares = [bell / total[start : start + patch] for start in first]
    return np.array(shares, np.float32)


def cover(shape: Sequence[int], patch: Sequence[int]) -> list[tuple[Corner, Weights]]:
    """Return the first voxel of each patch in (D, H, W), and its weights by axis.

    Patches come in the order of the slices. At every voxel the outer products of the
    weights of all patches sum to 1.
    """
    axes = [
        list(zip(starts(size, side), weights(size, side), strict=True))
        for size, side in zip(shape, patch, strict=True)
    ]
    return [
        ((z, y, x), (deep, high, wide))
        for (z, deep), (y, high), (x, wide) in itertools.product(*axes)
    ]


def start_around(place: int, size: int, patch: int) -> int:
    """Return the start of a patch with `place` in its middle, or as near as it fits."""
    return max(0, min(place - patch // 2, size - patch))
