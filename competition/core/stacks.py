"""2.5D: a slice together with its neighbours."""

from collections.abc import Sequence

import numpy as np


def gather(volume: np.ndarray, index: int, offsets: Sequence[int]) -> np.ndarray:
    """Stack the slices of `volume` (D, H, W) around `index` into (H, W, K).

    A neighbour beyond the first or last slice is that slice.
    """
    neighbours = np.clip(index + np.asarray(offsets), 0, len(volume) - 1)
    height, width = volume.shape[1:]
    stack = np.empty((height, width, len(neighbours)), volume.dtype)
    for position, neighbour in enumerate(neighbours):
        stack[..., position] = volume[neighbour]
    return stack
