"""Write volumes as text in a page: compressed (deflate), then base64.

`templates/viewer/volume.js` reads them. An image that would be too large keeps fewer
levels, since images take most of a page: for 16 million voxels of real MR, 256 levels
take 4.5 MB and 64 levels 2.6 MB.
"""

import base64
import zlib
from typing import Any

import numpy as np

LEVELS = (256, 128, 64, 32, 16)
# The levels of a probability: the eye cannot tell more of them apart.
HEAT_LEVELS = 31


def volume(values: np.ndarray) -> str:
    """Return a volume of bytes, or of two bytes a voxel, as text."""
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return base64.b64encode(zlib.compress(data.tobytes(), 6)).decode()


def heat(probability: np.ndarray) -> dict[str, Any]:
    """Return probabilities uint8 (D, H, W) as text, with fewer levels."""
    reduced = np.rint(probability * np.float32(HEAT_LEVELS / 255)).astype(np.uint8)
    return {"data": volume(reduced), "levels": HEAT_LEVELS}


def scaled(values: np.ndarray) -> np.ndarray:
    """Return values as uint8: the lowest is 0, the highest 255; NaN becomes 0."""
    low, high = np.nanmin(values), np.nanmax(values)
    shares = (values - low) / max(high - low, 1e-12)
    return np.rint(np.nan_to_num(shares) * 255).astype(np.uint8)


def image(scan: np.ndarray, *, most: float) -> dict[str, Any]:
    """Return a scan (D, H, W) as text with the most levels that fit into `most` bytes.

    `low` and `high` are the values of the first and the last level. The highest
    thousandth of the values share the last level; `beyond` says whether there are any.
    `window` has the levels shown as black and white at first: one voxel in 200 is below
    it, one above.
    """
    low = int(scan.min())
    dark, bright, highest = np.percentile(scan, [0.5, 99.5, 99.9])
    high = max(int(np.ceil(highest)), low + 1)
    shares = np.clip((scan.astype(np.float32) - low) / (high - low), 0, 1)
    # If there are fewer values than levels, each value has its own level.
    for levels in sorted({min(each, high - low + 1) for each in LEVELS}, reverse=True):
        reduced = np.rint(shares * (levels - 1)).astype(np.uint8)
        if _text_bytes(reduced) <= most:
            break
    ends = (np.array([dark, max(bright, dark + 1)]) - low) / (high - low)
    return {
        "data": volume(differences(reduced)),
        "levels": levels,
        "low": low,
        "high": high,
        "beyond": bool(scan.max() > high),
        "window": np.round(ends * (levels - 1), 2).tolist(),
    }


def _text_bytes(values: np.ndarray) -> float:
    """Estimate the length of an image's text from the entropy of some slices."""
    changes = differences(values[:: max(1, len(values) // 16)])
    shares = np.bincount(changes.ravel()) / changes.size
    bits = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    return bits * values.size / 6


def differences(values: np.ndarray) -> np.ndarray:
    """Return bytes (D, H, W) minus a prediction from their neighbours, modulo 256.

    The prediction is the median of three values: the left one, the upper one, and their
    sum minus the upper left one.
    """
    padded = np.pad(values.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    left, up, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    lowest, highest = np.minimum(left, up), np.maximum(left, up)
    predicted = np.clip(left + up - corner, lowest, highest)
    return (values - predicted).astype(np.uint8)
