"""Read a scan into one volume, and find the range of most of its intensities."""

import pathlib

import numpy as np

from competition.core import problems
from competition.core.data import images, png

_QUANTILES = (0.005, 0.995)
Range = tuple[float, float]


def read_scan(
    data: pathlib.Path, slices: list[images.Image]
) -> tuple[np.ndarray, list[int], list[problems.Problem]]:
    """Read a scan as uint16 (D, H, W); return it, its files' checksums, and problems.

    A slice with a problem has no checksum, and its pixels are 0.
    """
    sizes = [image.shape for image in slices]
    size = max(sizes, key=sizes.count)
    volume = np.zeros((len(slices), *size), np.uint16)
    checksums, faults = [], []
    for index, image in enumerate(slices):
        path = data / image.path
        try:
            pixels, checksum = png.read_checked(path, image.shape)
            if pixels.shape != size:
                raise ValueError(
                    f"{path}: {image.width} x {image.height} pixels in a scan of "
                    f"{size[1]} x {size[0]}. A scan has one size; restore the file "
                    "from the download."
                )
            volume[index] = pixels
            checksums.append(checksum)
        except (ValueError, OSError) as error:
            faults.append(problems.Problem("images", str(error), image.scan))
    return volume, checksums, faults


def ranges(volume: np.ndarray) -> tuple[list[Range], Range]:
    """Return the robust (low, high) of each slice of a volume (D, H, W), and of all."""
    # Every fourth row gives values that are as robust, in less time.
    counts = [np.bincount(image[::4].ravel()) for image in volume]
    total = np.zeros(max(map(len, counts)), np.int64)
    for each in counts:
        total[: len(each)] += each
    return [_range(each) for each in counts], _range(total)


def _range(counts: np.ndarray) -> Range:
    """Return (low, high), high > low: one pixel in 200 is below low, one above high."""
    below = counts.cumsum()
    low, high = np.searchsorted(below, np.multiply(_QUANTILES, below[-1]))
    return float(low), float(max(high, low + 1))
