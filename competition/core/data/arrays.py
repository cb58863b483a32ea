"""The prepared scans and masks as memory-mapped arrays."""

import functools
import os
import pathlib
import threading
import zlib

import numpy as np

from competition.core import files
from competition.core.experiment import layout

# NumPy parses headers as Python, which threads may not do at once before Python 3.11.8
# and 3.12.2: it raises a SystemError about once in a thousand times.
HEADER = threading.Lock()
# Python's default buffer takes a third longer to write a scan.
BUFFER = 2**20


class Arrays:
    """Opens each array of a data set once, and leaves its pages to the system.

    `scan` maps the name of a scan to its slices uint16 (D, H, W), `masks` to its mask
    bits (D, H, W).
    """

    def __init__(self, dataset: layout.DatasetFiles) -> None:
        # The caches belong to the object, so that the maps close with it.
        self.scan = functools.cache(lambda scan: load(dataset.scan(scan)))
        self.masks = functools.cache(lambda scan: load(dataset.masks(scan)))


def load(path: pathlib.Path) -> np.ndarray:
    """Map an array of a .npy file, read-only."""
    try:
        with HEADER:
            return np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Prepare the data again with `verify`."
        ) from error


def write(path: pathlib.Path, array: np.ndarray) -> int:
    """Write an array as .npy in one step and return its checksum."""
    crc = 0
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    with files.replacing(path) as temporary, temporary.open("wb", BUFFER) as file:
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        # Not np.save: it hides that the disk is full, and writing a whole scan is
        # several times as slow as writing its planes.
        for plane in array:
            data = np.ascontiguousarray(plane).data
            crc = zlib.crc32(data, crc)
            if plane.any():
                file.write(data)
            else:
                # Most masks are empty: a hole reads as zeros and takes no space.
                file.seek(plane.nbytes, os.SEEK_CUR)
        file.truncate()
    return crc


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's values."""
    return zlib.crc32(np.ascontiguousarray(array).data)
