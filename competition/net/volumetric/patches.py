"""The patches that cover a scan: their places along each axis, and their weights.

An axis shorter than the patch has one patch, from 0, which ends beyond the axis.
"""

import itertools
from collections.abc import Sequence

import numpy as np

# As a share of the patch. A Gaussian of this width is nearly 0 at the border, where a
# network sees only half of the surroundings.
SIGMA = 1 / 8
# The first place of a patch along an axis, and its weights (patch,) from there on.
Side = tuple[int, np.ndarray]


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
    places = np.add.outer(starts(size, patch), np.arange(patch))
    total = np.zeros(max(size, patch))
    for place in places:
        total[place] += bell
    return (bell / total[places]).astype(np.float32)


def cover(shape: Sequence[int], patch: Sequence[int]) -> list[tuple[Side, Side, Side]]:
    """Return the sides of each patch in (D, H, W), in the order of the slices.

    At every voxel the outer products of the weights of all patches sum to 1.
    """
    axes = [
        zip(starts(size, side), weights(size, side), strict=True)
        for size, side in zip(shape, patch, strict=True)
    ]
    return list(itertools.product(*axes))


def start_around(place: int, size: int, patch: int) -> int:
    """Return the start of a patch with `place` in its middle, or as near as it fits."""
    return max(0, min(place - patch // 2, size - patch))
