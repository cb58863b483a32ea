"""Find the box around the body in a scan from its intensities."""

import numpy as np

from competition.core import geometry

# About this many slices show where the body is; more slices change little.
_SLICES = 36
# The body is brighter than this share of the range of the mean slice.
_BRIGHT = 0.1
# A row or column of the body has at least this share of bright pixels.
_FILLED = 0.02
# The pixels around the body that belong to the box.
MARGIN = 8


def box(volume: np.ndarray) -> geometry.Box | None:
    """Return the box that holds the body in all slices of a volume (D, H, W).

    It is found in the mean of the slices: there noise is low, and arms and a moving
    body are seen. None means that nothing is brighter than the rest.
    """
    import cv2

    chosen = volume[:: max(1, len(volume) // _SLICES)]
    mean = cv2.blur(chosen.mean(axis=0, dtype=np.float32), (5, 5))
    low, high = np.quantile(mean[::2, ::2], (0.01, 0.99))
    bright = mean > low + _BRIGHT * (high - low)
    rows = np.flatnonzero(bright.mean(axis=1) > _FILLED)
    columns = np.flatnonzero(bright.mean(axis=0) > _FILLED)
    if not (high - low >= 1 and len(rows) and len(columns)):
        return None
    top, bottom = _with_margin(rows, mean.shape[0])
    left, right = _with_margin(columns, mean.shape[1])
    return geometry.Box(top, bottom, left, right)


def _with_margin(places: np.ndarray, size: int) -> tuple[int, int]:
    """Return the first place, and the one after the last, with the margin."""
    return max(0, int(places[0]) - MARGIN), min(size, int(places[-1]) + 1 + MARGIN)
