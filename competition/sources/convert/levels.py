"""Convert intensities of any type to uint16, in the same order."""

import math

import numpy as np

from competition.core import console

LEVELS = 65536
# Centre and width, such as 40 and 400 Hounsfield units for the organs of the belly.
Window = tuple[float, float]


def check(window: Window) -> None:
    """Refuse a window without a width."""
    if not (math.isfinite(window[0]) and 0 < window[1] < math.inf):
        raise ValueError(
            "`window` must be a centre and a width above 0, such as 40 and 400. "
            f"Received: {window[0]:g} and {window[1]:g}. Give both in this order."
        )


def convert(
    volume: np.ndarray, name: str, window: Window | None = None
) -> tuple[np.ndarray, dict[str, object]]:
    """Return a volume as uint16 of the same shape, and the map; errors name `name`.

    A `window` is mapped linearly, to the same levels in every volume. Without one,
    whole numbers that fit stay as they are, and those in a range of 65,536 are shifted.
    Other values are mapped as linearly as keeps up to 65,536 distinct values distinct;
    if there are more, neighbouring values become equal.
    """
    if not np.isfinite(volume).all():
        count = int(volume.size - np.isfinite(volume).sum())
        raise ValueError(
            f"{name}: expected finite intensities, received NaN or infinity in {count} "
            "voxels. Replace them, for instance by the smallest intensity."
        )
    if window:
        return _cut(volume, name, window)
    low, high = volume.min().item(), volume.max().item()
    whole = volume.dtype.kind in "iu" or bool((volume == np.floor(volume)).all())
    if not whole or high - low >= LEVELS:
        return _spread(volume, name), {"map": "spread", "low": low, "high": high}
    shift = 0 if low >= 0 and high < LEVELS else int(low)
    if volume.dtype.kind == "f":
        levels = (volume - float(shift)).astype(np.uint16)
    else:
        # Modulo 65,536: the results fit uint16, but not always the volume's own type.
        levels = volume.astype(np.uint16) - np.uint16(shift % LEVELS)
    return levels, {"map": "shift", "shift": shift}


def _cut(
    volume: np.ndarray, name: str, window: Window
) -> tuple[np.ndarray, dict[str, object]]:
    """Map the window to all levels; values outside of it get the nearest level."""
    centre, width = window
    low = centre - width / 2
    share = np.clip((volume.astype(np.float64) - low) / width, 0, 1)
    if not ((share > 0) & (share < 1)).any():
        console.warn(
            f"{name}: no intensity lies within the window {low:g} to {low + width:g}, "
            f"all are from {volume.min():g} to {volume.max():g}. Check its units."
        )
    levels = np.round(share * (LEVELS - 1)).astype(np.uint16)
    return levels, {"map": "window", "low": low, "high": low + width}


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
