"""The prepared scans and masks as memory-mapped arrays."""

import collections
import contextlib
import math
import os
import pathlib
import threading
import tokenize
import zipfile
import zlib
from typing import IO, Literal

import numpy as np
import typing_extensions

from competition.core import console, files, storage
from competition.core.experiment import layout

try:
    import resource
except ImportError:  # Windows, which has no such limit.
    resource = None  # type: ignore[assignment]

# NumPy parses headers as Python code. Before Python 3.11.8 and 3.12.2 two threads must
# not do so at once: about once in a thousand times it raises a SystemError.
HEADER = threading.Lock()
_REMEDY = "Prepare the data again with `verify`."
# The types of slices (<u2), and of the bits of up to 8 (|u1) or 16 classes (<u2).
TYPES = ("<u2", "|u1")
# With Python's default buffer, writing a scan takes a third longer.
BUFFER = 2**20
# A mapped array keeps its file open. A process may at first open 256 files (macOS) or
# 1,024; it may ask for this many, and macOS gives no more.
_FILES = 10_000


class _Record(typing_extensions.TypedDict):
    """The entry of a scan's record with the checksums of its arrays."""

    arrays: tuple[int, int]


class Arrays:
    """Memory-maps the arrays of a data set, so that the system loads what is read.

    An array is compared with its recorded checksum when it is first opened. Open arrays
    take at most half of the files that the process may open, and for a mirrored data
    set at most half of the cache.
    """

    def __init__(self, dataset: layout.DatasetFiles) -> None:
        self.dataset = dataset
        is_mirror = storage.uri(dataset.root)
        self._most = storage.limit() / 2 if is_mirror else math.inf
        self._most_open = _most_open()
        # Least recently used first. They belong to the object: the maps close with it.
        self._open: collections.OrderedDict[tuple[str, int], np.ndarray]
        self._open = collections.OrderedDict()
        self._bytes = 0
        self._checked: set[tuple[str, int]] = set()
        self._dropped: set[tuple[str, int]] = set()
        self._is_told = False
        self._lock = threading.Lock()

    def scan(self, name: str) -> np.ndarray:
        """Return the slices of a scan, uint16 (D, H, W)."""
        return self._get((name, 0))

    def masks(self, name: str) -> np.ndarray:
        """Return the mask bits of a scan (D, H, W)."""
        return self._get((name, 1))

    def _get(self, key: tuple[str, int]) -> np.ndarray:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        array = _load(self.dataset, *key, check=key not in self._checked)
        with self._lock:
            self._checked.add(key)
            if key not in self._open:
                self._open[key] = array
                self._bytes += array.nbytes
            while len(self._open) > 1 and (
                self._bytes > self._most or len(self._open) > self._most_open
            ):
                if self._bytes > self._most:
                    self._dropped.add(next(iter(self._open)))
                _, last_used = self._open.popitem(last=False)
                self._bytes -= last_used.nbytes
            if key in self._dropped and not self._is_told:
                console.warn(
                    f"the cache is too small: {key[0]} is read once more. Set "
                    f"{storage.SIZE} to more than twice the bytes of the prepared data."
                )
                self._is_told = True
            return self._open[key]


def _most_open() -> int:
    """Raise the limit of open files, if it is low and may rise; return half of it.

    Samples come from all scans in turn; reopening a scan takes longer than a sample.
    """
    if resource is None:
        return _FILES // 2
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return wanted // 2
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        return wanted // 2
    return limit // 2


def _load(
    dataset: layout.DatasetFiles, scan: str, place: int, *, check: bool
) -> np.ndarray:
    """Map the scan (place 0) or the masks (1); `check` compares the checksum."""
    path = (dataset.scan(scan), dataset.masks(scan))[place]
    array, record = load(path), dataset.record(scan)
    if check and files.exists(record):
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
        # Not np.load: the map of an open file shares its lock, and that keeps a mirror.
        with storage.opened(path) as file:
            with HEADER:
                shape, is_fortran, dtype = _read_header(file)
            order: Literal["F", "C"] = "F" if is_fortran else "C"
            array = np.memmap(file, dtype, "r", file.tell(), shape, order)
    # NumPy reads the header as Python code, which may raise a TokenError.
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_REMEDY}") from error
    if array.ndim != 3 or array.dtype.str not in TYPES:
        raise ValueError(
            f"{path}: expected an array (D, H, W) of one of {', '.join(TYPES)}, "
            f"received {array.shape} of {array.dtype.str}. {_REMEDY}"
        )
    return array


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
    return np.lib.format.read_array_header_2_0(file)  # type: ignore[no-untyped-call]


def write(path: pathlib.Path, array: np.ndarray) -> int:
    """Write an array as .npy in one step and return its checksum."""
    crc = 0
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    with files.replacing(path) as temporary, temporary.open("wb", BUFFER) as file:
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        # Not np.save: it hides that the disk is full. Writing a whole scan also takes
        # several times as long as writing its planes.
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
    path: pathlib.Path | IO[bytes],
    named: dict[str, np.ndarray],
    *,
    compressed: bool = False,
) -> None:
    """Write arrays by name as .npz."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    # Not np.savez: on a full disk it leaves an open archive, which fails to close.
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in named.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's values."""
    return zlib.crc32(np.ascontiguousarray(array).data)
