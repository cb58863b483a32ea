"""Classes that differ by their side alone, such as the left and the right kidney."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from competition.core import geometry

# A class and the mirror image of another lie apart by less than this share of their
# distance, and the larger of them has at most so many times the pixels of the other.
_APART, _LARGER = 1 / 3, 2
# In this share of the scans that have both, of which there are so many of all.
_NEARLY_ALL, _SCANS = 0.9, 0.5


class Place(NamedTuple):
    """A class in a scan: its pixels, and its centre in mm, x from the body's middle."""

    pixels: int
    z: float
    y: float
    x: float


# By the number of the class, for those that the scan has.
Places = dict[int, Place]


def exchanged(scans: Sequence[Places]) -> tuple[int, int] | None:
    """Return the first two classes that a mirror would exchange, if there are any.

    They lie on opposite sides, alike but for that, and always the same way round.
    """
    classes = sorted(set().union(*scans))
    for pair in itertools.combinations(classes, 2):
        one, other = pair
        found = [(each[one], each[other]) for each in scans if {*pair} <= each.keys()]
        if len(found) < _SCANS * len(scans):
            continue
        left = sum(_is_mirrored(a, b) for a, b in found if a.x < b.x)
        right = sum(_is_mirrored(a, b) for a, b in found if a.x > b.x)
        if max(left, right) >= _NEARLY_ALL * len(found):
            return pair
    return None


def _is_mirrored(one: Place, other: Place) -> bool:
    """Return whether a class would lie about where another does, seen in a mirror."""
    fewer, more = sorted([one.pixels, other.pixels])
    between = np.subtract(one[1:], other[1:])
    # It stays where it is along z and y.
    apart = [*between[:2].tolist(), one.x + other.x]
    is_near = np.linalg.norm(apart) <= _APART * np.linalg.norm(between)
    return bool(is_near) and more <= _LARGER * fewer


def moments(plane: np.ndarray, index: int) -> tuple[float, float, float, float]:
    """Return the pixels of a mask (H, W), and the sums of their z, y and x.

    `index` is that of the slice. The moments of several slices are added.
    """
    y, x = np.nonzero(plane)
    return len(y), len(y) * index, y.sum(), x.sum()


def places(
    moments: np.ndarray, body: geometry.Box, spacing_mm: tuple[float, float, float]
) -> Places:
    """Return the places of the classes of a scan by their moments (C, 4)."""
    middle = 0, 0, (body.left + body.right - 1) / 2
    return {
        index: Place(int(pixels), *((sums / pixels - middle) * spacing_mm).tolist())
        for index, (pixels, *sums) in enumerate(moments)
        if pixels
    }
