"""The prepared scans and masks as memory-mapped arrays."""

import functools
import os
import pathlib
import threading
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from competition.core import files
from competition.core.experiment import layout

# NumPy parses headers as Python, which threads may not do at once before Python 3.11.8
# and 3.12.2: a SystemError, seen once in thousands.
HEADER = threading.Lock()
# Python's own takes a third longer to write a scan.
BUFFER = 2**20


class Arrays:
    """Opens each array of a data set once and leaves its pages to the system."""

    def __init__(self, dataset: layout.DatasetFiles) -> None:
        self.dataset = dataset
        # Bound to the object, so that the maps go when it goes.
        self.scan = functools.cache(self._scan)
        self.masks = functools.cache(self._masks)

    def _scan(self, scan: str) -> np.ndarray:
        """The slices of a scan, uint16 (D, H, W)."""
        return load(self.dataset.scan(scan))

    def _masks(self, scan: str) -> np.ndarray:
        """The mask bits of a scan (D, H, W)."""
        return load(self.dataset.masks(scan))


def load(path: pathlib.Path) -> np.ndarray:
    """Map an array of a .npy file, read-only."""
    try:
        with HEADER:
            return np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). "
            "Run `python -m competition prepare` with --verify."
        ) from error


class Planes(Protocol):
    """What can be written a plane at a time: an array, or a scan as it is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The whole array's."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The whole array's."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the planes along the first axis."""


def write(path: pathlib.Path, planes: Planes) -> int:
    """Write an array as .npy in one step and return its checksum.

    Where a plane cannot be had, nothing is written.
    """
    crc = 0
    header = {
        "descr": planes.dtype.str,
        "fortran_order": False,
        "shape": planes.shape,
    }
    with files.replacing(path) as temporary, temporary.open("wb", BUFFER) as file:
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        # Not np.save: it does not say so where the disk is full, and a plane at a time
        # is written several times as fast as a whole scan.
        for plane in planes:
            data = np.ascontiguousarray(plane).data
            crc = zlib.crc32(data, crc)
            if plane.any():
                file.write(data)
            else:
                # Most masks are empty: a hole reads as zeros and costs nothing.
                file.seek(plane.nbytes, os.SEEK_CUR)
        file.truncate()
    return crc


def checksum(array: np.ndarray) -> int:
    """The CRC-32 of an array's values."""
    return zlib.crc32(np.ascontiguousarray(array).data)
