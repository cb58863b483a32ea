"""Stacks: a slice together with its neighbours as channels, for 2.5D networks."""

from collections.abc import Sequence

import numpy as np


def position(index: np.ndarray, depth: np.ndarray | int) -> np.ndarray:
    """Return the positions (N,) of slices in scans of `depth` slices: float32, 0..1."""
    return (index / np.maximum(1, np.subtract(depth, 1))).astype(np.float32)


def gather(
    volume: np.ndarray,
    index: int,
    offsets: Sequence[int],
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Stack the slices of `volume` (D, H, W) around `index` into (H, W, K).

    Beyond the ends, the first or last slice is repeated. If `out` (H, W, K) is given,
    the stack is written to it; it must be contiguous and of the volume's type.
    """
    import cv2

    last = len(volume) - 1
    planes = [volume[min(max(index + offset, 0), last)] for offset in offsets]
    if out is None:
        out = np.empty((*volume.shape[1:], len(planes)), volume.dtype)
    if len(planes) == 1:
        out[..., 0] = planes[0]
    else:
        # This is twice as fast as copying one plane after the other.
        cv2.merge(planes, out)
    return out
