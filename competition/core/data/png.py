"""The pixels of a slice: a PNG of 16 bits, checked from its header to its last byte."""

import pathlib
import struct
import zlib

import numpy as np

from competition.core import files, storage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def shape(path: pathlib.Path) -> tuple[int, int]:
    """Return (height, width) from the header of a PNG without decoding it."""
    files.check_regular(path)
    with storage.opened(path) as file:
        return _check_header(path, file.read(33))


def read(path: pathlib.Path, expected: tuple[int, int]) -> np.ndarray:
    """Read a slice as uint16 (H, W); it must have the `expected` (height, width)."""
    return read_checked(path, expected)[0]


def read_checked(
    path: pathlib.Path, expected: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """Read a slice as `read` does, and return its pixels and its file's checksum."""
    import cv2

    data = files.read_bytes(path)
    received = _check_header(path, data)
    if received != expected:
        raise ValueError(
            f"{path}: expected {expected[1]} x {expected[0]} pixels (width x height) "
            f"from the name, received {received[1]} x {received[0]}. "
            "Rename the file or restore it from the download."
        )
    # OpenCV fills missing rows with grey and no warning, so the checksum is needed.
    image, crc = None, checksum(data)
    if crc is not None:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if crc is None or image is None:
        raise ValueError(
            f"{path}: the PNG is truncated or damaged ({len(data)} bytes). "
            "Restore it from the download."
        )
    return image, crc


def checksum(data: bytes) -> int | None:
    """Return a CRC-32 of a PNG's signature and of the checksums of its chunks.

    Return None if a chunk does not match its checksum, or if the file is cut off.
    """
    start, crc = 8, zlib.crc32(data[:8])
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        stored = data[end - 4 : end]
        if zlib.crc32(memoryview(data)[start + 4 : end - 4]) != int.from_bytes(stored):
            return None
        crc = zlib.crc32(stored, crc)
        if kind == b"IEND":
            return crc
        start = end
    return None


def _check_header(path: pathlib.Path, data: bytes) -> tuple[int, int]:
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError(
            f"{path}: expected a PNG, received {len(data)} bytes of another kind. "
            "Restore it from the download."
        )
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if (depth, colour) != (16, 0):
        raise ValueError(
            f"{path}: expected a 16-bit grey PNG, received {depth} bits and colour "
            f"type {colour}. Restore it from the download or convert it."
        )
    return height, width
