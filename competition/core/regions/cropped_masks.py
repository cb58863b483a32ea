"""Masks cropped to the box of their organ, which is small beside the scan."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class CroppedMask:
    """One organ of a scan: its mask, cropped to the smallest box that holds the organ.

    `mask` is boolean (d, h, w); `low` and `high` are the corners of the box in a volume
    of `shape` (D, H, W). `counts` (D,) has the organ's pixels in each slice. `trees`
    caches the KD-trees. An absent organ has a box of size 0 at the origin.
    """

    mask: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shape: tuple[int, ...]
    counts: np.ndarray
    trees: dict[tuple[float, ...], Any] = dataclasses.field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether no voxel is set."""
        return self.mask.size == 0

    def window(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the mask within a larger box, from corner `low` to corner `high`."""
        if (low == self.low).all() and (high == self.high).all():
            return self.mask
        window = np.zeros(high - low, bool)
        window[box(self.low - low, self.high - low)] = self.mask
        return window

    def tree(self, spacing: tuple[float, ...]) -> Any:
        """Return the KD-tree of the voxels that have a neighbour outside the mask.

        Voxels are `spacing` apart along each axis.
        """
        if spacing not in self.trees:
            from scipy.spatial import cKDTree

            # One voxel more on each side, so that a box full of voxels has a border. An
            # inner voxel is never the nearest one to a voxel outside: one of its
            # neighbours is nearer.
            low = np.maximum(self.low - 1, 0)
            high = np.minimum(self.high + 1, self.shape)
            mask = self.window(low, high)
            border = coordinates(mask & spread(~mask)) + low
            self.trees[spacing] = cKDTree(border * spacing, balanced_tree=False)
        return self.trees[spacing]


def cut(bits: np.ndarray, classes: int) -> tuple[list[CroppedMask], CroppedMask]:
    """Crop each class, and the union of all classes, out of mask bits (D, H, W)."""
    # All classes are projected together, so that the volume is read once.
    profiles = _profiles(bits)

    def organ(any_of: int) -> CroppedMask:
        wanted = bits.dtype.type(any_of)
        low, high = _corners([profile & wanted for profile in profiles])
        return _cropped((bits[box(low, high)] & wanted) != 0, low, high, bits.shape)

    organs = [organ(1 << index) for index in range(classes)]
    return organs, organs[0] if classes == 1 else organ((1 << classes) - 1)


def crop(
    mask: np.ndarray, *, corner: np.ndarray, shape: tuple[int, ...]
) -> CroppedMask:
    """Crop a boolean mask (d, h, w) that lies at `corner` of a volume of `shape`."""
    low, high = _corners(_profiles(mask.view(np.uint8)))
    cropped = mask[box(low, high)]
    # The box of an absent organ stays at the origin.
    offset = corner if cropped.size else np.zeros_like(corner)
    return _cropped(cropped, low + offset, high + offset, shape)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around a boolean mask (D, H, W); 0:0 if it is empty."""
    return box(*_corners(_profiles(mask.view(np.uint8))))


def box(low: np.ndarray, high: np.ndarray) -> tuple[slice, ...]:
    """Return the slices of the box between two corners, for indexing a volume."""
    return tuple(map(slice, low, high))


def common(one: CroppedMask, other: CroppedMask) -> np.ndarray:
    """Count the pixels that two masks of one volume share, by slice (D,)."""
    low, high = np.maximum(one.low, other.low), np.minimum(one.high, other.high)
    counts = np.zeros(one.shape[0], int)
    if (low < high).all():
        first = one.mask[box(low - one.low, high - one.low)]
        second = other.mask[box(low - other.low, high - other.low)]
        counts[low[0] : high[0]] = _areas(first & second)
    return counts


def spread(mask: np.ndarray) -> np.ndarray:
    """Add the six neighbours of each voxel to a mask (d, h, w).

    `scipy.ndimage.binary_dilation` does the same, but takes six to nine times as long.
    """
    wider = mask.copy()
    for axis in range(3):
        target, source = np.moveaxis(wider, axis, 0), np.moveaxis(mask, axis, 0)
        target[1:] |= source[:-1]
        target[:-1] |= source[1:]
    return wider


def surface(organ: CroppedMask) -> np.ndarray:
    """Return the coordinates (n, 3) of voxels with a neighbour outside the organ.

    The space beyond the volume is outside. Along an axis of one voxel it is ignored.
    """
    sides = [1 if size > 1 else 0 for size in organ.shape]
    outside = spread(np.pad(~organ.mask, [(n, n) for n in sides], constant_values=True))
    inner = tuple(slice(n, -n or None) for n in sides)
    return coordinates(organ.mask & outside[inner]) + organ.low


def coordinates(mask: np.ndarray) -> np.ndarray:
    """Return the coordinates (n, 3) of a mask's voxels, faster than `argwhere`."""
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)


def _profiles(bits: np.ndarray) -> list[np.ndarray]:
    """Join the bits (D, H, W) of each slice, of each row and of each column."""
    face = np.bitwise_or.reduce(bits, axis=0)
    return [
        np.bitwise_or.reduce(bits.reshape(len(bits), -1), axis=1),
        np.bitwise_or.reduce(face, axis=1),
        np.bitwise_or.reduce(face, axis=0),
    ]


def _corners(profiles: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the smallest box around the pixels set in the profiles."""
    covered = [np.flatnonzero(profile) for profile in profiles]
    low = np.array([side[0] if side.size else 0 for side in covered])
    high = np.array([side[-1] + 1 if side.size else 0 for side in covered])
    return low, high


def _cropped(
    mask: np.ndarray, low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]
) -> CroppedMask:
    counts = np.zeros(shape[0], int)
    counts[low[0] : high[0]] = _areas(mask)
    return CroppedMask(mask, low, high, shape, counts)


def _areas(mask: np.ndarray) -> list[int]:
    """Count the pixels of each slice of a mask (d, h, w)."""
    return [np.count_nonzero(plane) for plane in mask]
