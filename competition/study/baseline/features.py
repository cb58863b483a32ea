"""What the simple ways see of a slice: grey values around each pixel, and its place."""

import numpy as np

from competition.core import geometry, stacks
from competition.core.experiment import schema


def of_slice(
    volume: np.ndarray,
    index: int,
    window: tuple[float, float],
    shape: schema.Geometry,
) -> np.ndarray:
    """Features float32 (h, w, F) of the slice at `index` of a scan (D, H, W).

    Grey values lie between the (low, high) of `window`; the place is 0 to 1 each way.
    """
    import cv2

    stack = geometry.fit(stacks.gather(volume, index, (0, -1, 1)), shape)
    low, high = window
    grey = np.clip((stack.astype(np.float32) - low) / (high - low), 0, 1)
    middle = np.ascontiguousarray(grey[..., 0])
    means = [cv2.blur(middle, (size, size)) for size in (5, 15)]
    squares = [cv2.blur(middle**2, (size, size)) for size in (5, 15)]
    spreads = [
        np.sqrt(np.maximum(square - mean**2, 0))
        for square, mean in zip(squares, means, strict=True)
    ]
    edge = cv2.magnitude(*(cv2.Sobel(middle, cv2.CV_32F, *d) for d in ((1, 0), (0, 1))))
    row, column = np.mgrid[0 : 1 : shape.height * 1j, 0 : 1 : shape.width * 1j]
    level = np.full(middle.shape, index / max(len(volume) - 1, 1))
    planes = [grey[..., 0], grey[..., 1], grey[..., 2], *means, *spreads, edge]
    return np.stack([*planes, row, column, level], axis=-1).astype(np.float32)
