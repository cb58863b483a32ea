"""From a slice of any size to the network's input, and back."""

import numpy as np

from competition.core.experiment import schema

# What OpenCV can shrink by areas at once.
_CHANNELS = 4


def fit(image: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring an image (H, W) or (H, W, K) to the geometry's height and width."""
    target = geometry.height, geometry.width
    if image.shape[:2] == target:
        return image
    return _place(image, target) if geometry.fit == "pad" else _resize(image, target)


def place(image: np.ndarray, out: np.ndarray) -> None:
    """Do what `fit` does by "pad", into `out` (h, w) or (h, w, K)."""
    out[...] = 0
    pairs = [
        _overlap(*sizes) for sizes in zip(image.shape, out.shape[:2], strict=False)
    ]
    out[tuple(to for _, to in pairs)] = image[tuple(since for since, _ in pairs)]


def fit_mask(bits: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring mask bits (H, W) to the geometry's size; every pixel stays a real one."""
    target = geometry.height, geometry.width
    if bits.shape == target:
        return bits
    if geometry.fit == "pad":
        return _place(bits, target)
    import cv2

    return cv2.resize(bits, target[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def restore(
    array: np.ndarray, shape: tuple[int, int], geometry: schema.Geometry
) -> np.ndarray:
    """Undo `fit` on an array (h, w) or (h, w, C): native `shape`, 0 where cropped."""
    if array.shape[:2] == shape:
        return array
    return _place(array, shape) if geometry.fit == "pad" else _resize(array, shape)


def _place(array: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    """Copy the common centre into zeros of the target's size."""
    placed = np.empty((*target, *array.shape[2:]), array.dtype)
    place(array, placed)
    return placed


def _overlap(size: int, target: int) -> tuple[slice, slice]:
    # Both ways must cut at the same place, so the odd pixel goes by the difference.
    difference = abs(target - size) // 2
    common = min(size, target)
    inner, outer = slice(0, common), slice(difference, difference + common)
    return (inner, outer) if size < target else (outer, inner)


def _resize(image: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    import cv2

    shrinks = target[0] < image.shape[0] or target[1] < image.shape[1]
    # Linear alone would skip pixels and alias when it shrinks.
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = image.reshape(*image.shape[:2], -1)
    resized = np.empty((*target, planes.shape[-1]), image.dtype)
    for first in range(0, planes.shape[-1], _CHANNELS):
        part = planes[..., first : first + _CHANNELS]
        part = cv2.resize(part, target[::-1], interpolation=interpolation)
        resized[..., first : first + _CHANNELS] = part.reshape(*target, -1)
    return resized.reshape(*target, *image.shape[2:])
