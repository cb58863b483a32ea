"""Bring a slice of any size to the network's input size, and back."""

import numpy as np

from competition.core.experiment import schema


def fit(image: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring an image (H, W) or (H, W, K) to the geometry's height and width."""
    frame = geometry.height, geometry.width
    if geometry.fit == "letterbox":
        return _pad(_resize(image, inside(image.shape[:2], frame)), frame)
    return _resize(image, frame) if geometry.fit == "resize" else _pad(image, frame)


def restore(
    array: np.ndarray, shape: tuple[int, int], geometry: schema.Geometry
) -> np.ndarray:
    """Bring an array (h, w) or (h, w, C) back to its native `shape`, undoing `fit`.

    Where `fit` cropped it is 0.
    """
    if geometry.fit == "letterbox":
        return _resize(_pad(array, inside(shape, array.shape[:2])), shape)
    return _resize(array, shape) if geometry.fit == "resize" else _pad(array, shape)


def fit_mask(bits: np.ndarray, geometry: schema.Geometry) -> np.ndarray:
    """Bring mask bits (H, W) to the geometry's size; no bits are mixed."""
    frame = geometry.height, geometry.width
    if geometry.fit == "pad":
        return _pad(bits, frame)
    scaled = frame if geometry.fit == "resize" else inside(bits.shape, frame)
    if bits.shape != scaled:
        import cv2

        bits = cv2.resize(bits, scaled[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return _pad(bits, frame)


def inside(shape: tuple[int, ...], frame: tuple[int, ...]) -> tuple[int, int]:
    """Return the largest height and width inside `frame` with the ratio of `shape`."""
    scale = min(frame[0] / shape[0], frame[1] / shape[1])
    height, width = (max(1, round(scale * size)) for size in shape)
    return height, width


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


def _pad(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pad or crop an image about its centre to the height and width of `shape`."""
    if image.shape[:2] == shape:
        return image
    placed = np.empty((*shape, *image.shape[2:]), image.dtype)
    place(image, placed)
    return placed


def _resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == shape:
        return image
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
