"""The prepared scans and masks as memory-mapped arrays."""

import functools
import os
import pathlib
import threading
import zipfile
import zlib

import numpy as np
import typing_extensions

from competition.core import files
from competition.core.experiment import layout

# NumPy parses headers as Python, which threads may not do at once before Python 3.11.8
# and 3.12.2: it raises a SystemError about once in a thousand times.
HEADER = threading.Lock()
_REMEDY = "Prepare the data again with `verify`."
# Slices, and the bits of up to 8, 16, 32 or 64 classes.
TYPES = ("<u2", "|u1", "<u4", "<u8")
# Python's default buffer takes a third longer to write a scan.
BUFFER = 2**20


class _Record(typing_extensions.TypedDict):
    """The entry of a scan's record that tells its arrays' checksums."""

    arrays: tuple[int, int]


class Arrays:
    """Opens each array of a data set once, and leaves its pages to the system.

    `scan` maps the name of a scan to its slices uint16 (D, H, W), `masks` to its mask
    bits (D, H, W). Each has the checksum that `prepare` recorded, or is an error.
    """

    def __init__(self, dataset: layout.DatasetFiles) -> None:
        def scan(name: str) -> np.ndarray:
            return _load_recorded(dataset, name, 0)

        def masks(name: str) -> np.ndarray:
            return _load_recorded(dataset, name, 1)

        # The caches belong to the object, so that the maps close with it.
        self.scan, self.masks = functools.cache(scan), functools.cache(masks)


def _load_recorded(dataset: layout.DatasetFiles, scan: str, place: int) -> np.ndarray:
    path = (dataset.scan(scan), dataset.masks(scan))[place]
    array, record = load(path), dataset.record(scan)
    if files.exists(record):
        about: _Record = files.read_json(record, _Record, remedy=_REMEDY)
        if checksum(array) != about["arrays"][place]:
            raise ValueError(
                f"{path} has changed since it was prepared: its checksum is not that "
                f"in {record.name}. {_REMEDY}"
            )
    return array


def load(path: pathlib.Path) -> np.ndarray:
    """Map the array (D, H, W) of a .npy file, read-only."""
    files.check_regular(path)
    try:
        with HEADER:
            array = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_REMEDY}") from error
    if array.ndim != 3 or array.dtype.str not in TYPES:
        raise ValueError(
            f"{path}: expected an array (D, H, W) of one of {', '.join(TYPES)}, "
            f"received {array.shape} of {array.dtype.str}. {_REMEDY}"
        )
    return array


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


def write_archive(
    path: pathlib.Path, named: dict[str, np.ndarray], *, compressed: bool = False
) -> None:
    """Write arrays by name as .npz."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    # Not np.savez: on a full disk it leaves an open archive, whose end is a traceback.
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's values."""
    return zlib.crc32(np.ascontiguousarray(array).data)
