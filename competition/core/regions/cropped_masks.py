"""One organ of a scan, cut out of the volume, with what comparisons of it reuse."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class CroppedMask:
    """One mask of a scan cut to its box, with what comparisons reuse.

    `mask` is the boolean cut-out (d, h, w), `low` and `high` its corners in a volume
    of `shape` (D, H, W), `counts` (D,) the pixels by slice. Nothing is an empty box.
    """

    mask: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shape: tuple[int, ...]
    counts: np.ndarray
    trees: dict[tuple[float, ...], Any] = dataclasses.field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether no voxel is set."""
        return self.mask.size == 0

    def window(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The mask within another box that holds its own."""
        if (low == self.low).all() and (high == self.high).all():
            return self.mask
        window = np.zeros(high - low, bool)
        window[box(self.low - low, self.high - low)] = self.mask
        return window

    def tree(self, spacing: tuple[float, ...]) -> Any:
        """The KD-tree of the border, voxels `spacing` apart along each axis."""
        if spacing not in self.trees:
            from scipy.spatial import cKDTree

            # One voxel more around, so that all sides but the volume's end are seen.
            low = np.maximum(self.low - 1, 0)
            high = np.minimum(self.high + 1, self.shape)
            border = places(_border(self.window(low, high))) + low
            self.trees[spacing] = cKDTree(border * spacing, balanced_tree=False)
        return self.trees[spacing]


def cut(bits: np.ndarray, classes: int) -> tuple[list[CroppedMask], CroppedMask]:
    """Cut the classes, and all of them as one, out of mask bits (D, H, W)."""
    # The bits by slice, by row and by column give every class's box at once.
    face = np.bitwise_or.reduce(bits, axis=0)
    sides = (
        np.bitwise_or.reduce(bits.reshape(len(bits), -1), axis=1),
        np.bitwise_or.reduce(face, axis=1),
        np.bitwise_or.reduce(face, axis=0),
    )
    organs = [_cut(bits, sides, 1 << index) for index in range(classes)]
    if classes == 1:
        return organs, organs[0]
    return organs, _cut(bits, sides, (1 << classes) - 1)


def common(one: CroppedMask, other: CroppedMask) -> np.ndarray:
    """The pixels that both have, by slice (D,)."""
    low, high = np.maximum(one.low, other.low), np.minimum(one.high, other.high)
    counts = np.zeros(one.shape[0], int)
    if (low < high).all():
        first = one.mask[box(low - one.low, high - one.low)]
        second = other.mask[box(low - other.low, high - other.low)]
        pixels = [np.count_nonzero(slice) for slice in first & second]
        counts[low[0] : high[0]] = pixels
    return counts


def _cut(bits: np.ndarray, sides: Iterable[np.ndarray], wanted: int) -> CroppedMask:
    """Cut the voxels that have a `wanted` bit out of a volume."""
    kind = bits.dtype.type(wanted)
    covered = [np.flatnonzero(side & kind) for side in sides]
    low = np.array([side[0] if side.size else 0 for side in covered])
    high = np.array([side[-1] + 1 if side.size else 0 for side in covered])
    mask = (bits[box(low, high)] & kind) != 0
    counts = np.zeros(len(bits), int)
    counts[low[0] : high[0]] = [np.count_nonzero(slice) for slice in mask]
    return CroppedMask(mask, low, high, bits.shape, counts)


def _border(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask with a neighbour outside it; beyond the array is none.

    A voxel whose neighbours are all set is never nearest to an outside one: the
    neighbour towards that is nearer, and lies in the volume.
    """
    return mask & spread(~mask)


def spread(mask: np.ndarray) -> np.ndarray:
    """A mask (d, h, w) with the six neighbours of each of its voxels."""
    wider = mask.copy()
    for axis in range(3):
        here, there = np.moveaxis(wider, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] |= there[:-1]
        here[:-1] |= there[1:]
    return wider


def places(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask (d, h, w) as coordinates (n, 3); `argwhere`, but faster."""
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)


def box(low: np.ndarray, high: np.ndarray) -> tuple[slice, ...]:
    """The slices from one corner to the other."""
    return tuple(map(slice, low, high))
