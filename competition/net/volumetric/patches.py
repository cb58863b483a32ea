"""The patches that cover a scan or a slice: their places along each axis, and weights.

An axis shorter than the patch has one patch, from 0, which ends beyond the axis.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from competition.core import masks

# The width of the Gaussian weights, as a share of the patch. They are nearly 0 at the
# border, where a network sees only half of the surroundings.
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


def cover(shape: Sequence[int], patch: Sequence[int]) -> list[tuple[Side, ...]]:
    """Return the sides of each patch in (D, H, W) or (H, W), in the order of the axes.

    At every pixel the outer products of the weights of all patches sum to 1.
    """
    axes = [
        zip(starts(size, side), weights(size, side), strict=True)
        for size, side in zip(shape, patch, strict=True)
    ]
    return list(itertools.product(*axes))


def corner(
    organs: Callable[[], np.ndarray],
    patch: Sequence[int],
    frame: Sequence[int],
    *,
    centred: float,
    seed: Sequence[int],
) -> list[int]:
    """Draw the first row and column of a patch (h, w): a function of the seed.

    The patch lies anywhere in the frame (H, W) or, in a share `centred` of the draws,
    around a pixel of an organ. Each organ that is there is chosen equally often,
    however small it is. `organs` returns mask bits (H, W).
    """
    # These numbers differ from those that augmentation and sampling draw by this seed.
    random = np.random.default_rng((*seed, 1))
    draw, which, *shares, organ = random.random(5)
    sides = list(zip(frame, patch, strict=True))
    if draw < centred and len(pixels := _organ(organs(), organ)):
        pixel = pixels[int(which * len(pixels))]
        return [
            start_around(int(place), *side)
            for place, side in zip(pixel, sides, strict=True)
        ]
    return [
        int(share * (size - side + 1))
        for share, (size, side) in zip(shares, sides, strict=True)
    ]


def _organ(bits: masks.Bits, share: float) -> np.ndarray:
    """Return the pixels (N, 2) of one of the organs in mask bits (H, W), none if empty.

    `share`, from 0 to below 1, says which: of n organs it is number int(share * n).
    """
    anywhere = int(np.bitwise_or.reduce(bits, axis=None))
    present = [index for index in range(masks.MOST_CLASSES) if anywhere >> index & 1]
    if not present:
        return np.empty((0, 2), np.int64)
    return np.argwhere(masks.plane(bits, present[int(share * len(present))]))


def start_around(place: int, size: int, patch: int) -> int:
    """Return the start of a patch with `place` in its middle, or as near as it fits."""
    return max(0, min(place - patch // 2, size - patch))
