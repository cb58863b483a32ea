"""Bring a slice of any size to the network's input size, and back."""

import numpy as np

from competition.core.experiment import schema


def fit(image: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring an image (H, W) or (H, W, K) to the geometry's height and width."""
    return restore(image, (geometry.height, geometry.width), geometry)


def restore(
    array: np.ndarray, shape: tuple[int, int], geometry: schema.Geometry
) -> np.ndarray:
    """Bring an array (h, w) or (h, w, C) to its native `shape`, with 0 where cropped.

    This undoes `fit`, and is the same operation: both pad, crop or resize.
    """
    if array.shape[:2] == shape:
        return array
    if geometry.fit == "resize":
        return _resize(array, shape)
    placed = np.empty((*shape, *array.shape[2:]), array.dtype)
    place(array, placed)
    return placed


def fit_mask(bits: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring mask bits (H, W) to the geometry's size; no bits are mixed."""
    size = geometry.width, geometry.height
    if geometry.fit == "pad" or bits.shape == size[::-1]:
        return fit(bits, geometry)
    import cv2

    return cv2.resize(bits, size, interpolation=cv2.INTER_NEAREST_EXACT)


def place(image: np.ndarray, out: np.ndarray) -> None:
    """Copy the centre of an image into `out` (h, w) or (h, w, K), and 0 elsewhere."""
    source, target = [], []
    for size, wanted in zip(image.shape[:2], out.shape[:2], strict=True):
        common = slice(min(size, wanted))
        # Padding and cropping must cut at the same place, wherever the odd pixel goes.
        margin = abs(wanted - size) // 2
        centre = slice(margin, margin + common.stop)
        source.append(common if size < wanted else centre)
        target.append(centre if size < wanted else common)
    out[...] = 0
    out[tuple(target)] = image[tuple(source)]


def _resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import cv2

    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    # Linear interpolation alone would skip pixels and alias when it shrinks.
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = image.reshape(*image.shape[:2], -1)
    # OpenCV shrinks at most 4 channels at once.
    parts = [planes[..., first : first + 4] for first in range(0, planes.shape[2], 4)]
    resized = [
        cv2.resize(part, shape[::-1], interpolation=interpolation).reshape(*shape, -1)
        for part in parts
    ]
    return np.concatenate(resized, axis=-1).reshape(*shape, *image.shape[2:])
