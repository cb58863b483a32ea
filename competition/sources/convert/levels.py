"""Intensities of any type as uint16, in the order they had."""

import math

import numpy as np

from competition.core import console

LEVELS = 65536


def convert(volume: np.ndarray, name: str) -> tuple[np.ndarray, dict[str, object]]:
    """Return a volume as uint16 of the same shape, and the map; errors name `name`.

    Whole numbers that fit stay as they are, those in a range of 65,536 are shifted.
    Up to 65,536 distinct values stay distinct, as near to a linear map as that allows;
    more are mapped linearly, and neighbours become equal.
    """
    if not np.isfinite(volume).all():
        count = int(volume.size - np.isfinite(volume).sum())
        raise ValueError(
            f"{name}: expected finite intensities, received NaN or infinity in {count} "
            "voxels. Replace them, for instance by the smallest intensity."
        )
    low, high = volume.min().item(), volume.max().item()
    whole = volume.dtype.kind in "iu" or bool((volume == np.floor(volume)).all())
    if not whole or high - low >= LEVELS:
        return _spread(volume, name), {"map": "spread", "low": low, "high": high}
    shift = 0 if low >= 0 and high < LEVELS else int(low)
    if volume.dtype.kind == "f":
        levels = (volume - float(shift)).astype(np.uint16)
    else:
        # Modulo 65,536: the differences fit uint16, but not always the type they had.
        levels = volume.astype(np.uint16) - np.uint16(shift % LEVELS)
    return levels, {"map": "shift", "shift": shift}


def _spread(volume: np.ndarray, name: str) -> np.ndarray:
    """Map a volume to levels, linearly as far as distinct values stay distinct."""
    values, places = np.unique(volume, return_inverse=True)
    exact = values.astype(np.float64)
    if not math.isfinite(float(exact[-1]) - float(exact[0])):
        exact /= 2
    span = (exact[-1] - exact[0]) or 1.0
    levels = np.round((exact - exact[0]) / span * (LEVELS - 1)).astype(np.int64)
    if len(values) <= LEVELS:
        # Move levels as little as needed for each to exceed the last.
        rank = np.arange(len(levels))
        room = np.clip(levels - rank, 0, LEVELS - len(levels))
        levels = np.maximum.accumulate(room) + rank
    else:
        low, high = np.percentile(levels[places.ravel()], (0.5, 99.5))
        if high - low < 256:
            console.warn(
                f"{name}: a few extreme intensities leave {high - low:.0f} of {LEVELS} "
                "levels to 99 % of the voxels. Clip them before converting."
            )
    return levels.astype(np.uint16)[places].reshape(volume.shape)
