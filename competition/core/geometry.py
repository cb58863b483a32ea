"""Bring the slices of a scan to the network's input size, and back."""

import dataclasses
from typing import NamedTuple

import numpy as np

from competition.core.experiment import schema

Shape = tuple[int, int]


class Box(NamedTuple):
    """The rows `top` to `bottom` and columns `left` to `right`, without the last."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> Shape:
        """Return the (height, width) of the box."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return the box as an index of images (H, W, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of a scan's slices: how many, how large, and which hold the body.

    `shape` is (height, width), `spacing_mm` (y, x). If `body` is None, the whole slice
    counts as the body.
    """

    shape: Shape
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    body: Box | None = None

    def box(self, geometry: schema.Geometry) -> Box:
        """Return the part of a slice that the network sees."""
        if geometry.box == "body" and self.body is not None:
            return self.body
        return Box(0, self.shape[0], 0, self.shape[1])

    def scaled(self, geometry: schema.Geometry) -> Shape:
        """Return the size to which the box is scaled before it is padded or cropped."""
        frame, shape = geometry.frame, self.box(geometry).shape
        if geometry.fit == "resize":
            return frame
        if geometry.fit == "letterbox":
            return inside(shape, frame)
        if geometry.fit == "spacing":
            ratios = (each / geometry.spacing_mm for each in self.spacing_mm)
            height, width = (
                max(1, round(size * ratio))
                for size, ratio in zip(shape, ratios, strict=True)
            )
            return height, width
        return shape

    def cropped(self, geometry: schema.Geometry) -> Shape:
        """Return how many rows and columns of the scaled box are cropped."""
        (height, width), frame = self.scaled(geometry), geometry.frame
        return max(0, height - frame[0]), max(0, width - frame[1])


def fit(image: np.ndarray, geometry: schema.Geometry, grid: Grid) -> np.ndarray:
    """Bring an image (H, W) or (H, W, K) to the geometry's height and width."""
    scaled = _resize(image[grid.box(geometry).slices], grid.scaled(geometry))
    return _pad(scaled, geometry.frame)


def restore(array: np.ndarray, geometry: schema.Geometry, grid: Grid) -> np.ndarray:
    """Bring an array (h, w) or (h, w, C) back to the native shape, undoing `fit`.

    Pixels that `fit` cropped and pixels outside of the box are 0.
    """
    box = grid.box(geometry)
    part = _resize(_pad(array, grid.scaled(geometry)), box.shape)
    if box.shape == grid.shape:
        return part
    native = np.zeros((*grid.shape, *array.shape[2:]), array.dtype)
    native[box.slices] = part
    return native


def fit_mask(bits: np.ndarray, geometry: schema.Geometry, grid: Grid) -> np.ndarray:
    """Bring mask bits (H, W) to the geometry's size without mixing bits."""
    bits, scaled = bits[grid.box(geometry).slices], grid.scaled(geometry)
    if bits.shape != scaled:
        import cv2

        bits = cv2.resize(bits, scaled[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return _pad(bits, geometry.frame)


def inside(shape: Shape, frame: Shape) -> Shape:
    """Return the largest height and width inside `frame` with the ratio of `shape`."""
    scale = min(frame[0] / shape[0], frame[1] / shape[1])
    height, width = (max(1, round(scale * size)) for size in shape)
    return height, width


def place(image: np.ndarray, out: np.ndarray) -> None:
    """Copy the centre of an image into `out` (h, w) or (h, w, K); fill with 0."""
    source, target = [], []
    for size, wanted in zip(image.shape[:2], out.shape[:2], strict=True):
        common = slice(min(size, wanted))
        # An odd pixel must go to the same side in padding and in cropping.
        margin = abs(wanted - size) // 2
        centre = slice(margin, margin + common.stop)
        source.append(common if size < wanted else centre)
        target.append(centre if size < wanted else common)
    out[...] = 0
    out[tuple(target)] = image[tuple(source)]


def _pad(image: np.ndarray, shape: Shape) -> np.ndarray:
    """Pad or crop an image about its centre to the height and width of `shape`."""
    if image.shape[:2] == shape:
        return image
    placed = np.empty((*shape, *image.shape[2:]), image.dtype)
    place(image, placed)
    return placed


def _resize(image: np.ndarray, shape: Shape) -> np.ndarray:
    if image.shape[:2] == shape:
        return image
    import cv2

    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    # To shrink an image, linear interpolation would skip pixels and alias.
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = image.reshape(*image.shape[:2], -1)
    # OpenCV shrinks at most 4 channels at once.
    parts = [planes[..., first : first + 4] for first in range(0, planes.shape[2], 4)]
    resized = [
        cv2.resize(part, shape[::-1], interpolation=interpolation).reshape(*shape, -1)
        for part in parts
    ]
    return np.concatenate(resized, axis=-1).reshape(*shape, *image.shape[2:])
