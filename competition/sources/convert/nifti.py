"""Checks of a NIfTI file that SimpleITK does not make.

It reads NaN and infinity as 0, and a file that is cut off as if zeros followed.
"""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

_FLOATS = {16: "f4", 64: "f8"}
# For each size of the header (version 1 or 2), the place and format of the dimensions,
# of the type with the bits of a voxel, and of the start of the voxels.
_PLACES = {
    348: ((40, "8h"), (70, "2h"), (108, "f")),
    540: ((16, "8q"), (12, "2h"), (168, "q")),
}


def check(path: pathlib.Path) -> None:
    """Refuse a file that is cut off, or holds numbers that are not finite."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path}: the file is cut off or damaged ({error}). Restore it."
            ) from error
    sizes = {order: struct.unpack_from(f"{order}i", content)[0] for order in "<>"}
    order = next((order for order in sizes if sizes[order] in _PLACES), None)
    if order is None:
        raise ValueError(
            f"{path}: expected a NIfTI file, received one of another kind under this "
            "name. Put a DICOM file into a folder of its series, or remove it."
        )
    size, (type, bits), (start,) = (
        struct.unpack_from(order + form, content, place)
        for place, form in _PLACES[sizes[order]]
    )
    voxels = math.prod(size[1 : size[0] + 1])
    expected = int(start) + voxels * bits // 8
    if len(content) < expected:
        raise ValueError(
            f"{path}: expected {expected} bytes, received {len(content)}: the file is "
            "cut off. Restore it."
        )
    if type not in _FLOATS:
        return
    values = np.frombuffer(content, order + _FLOATS[type], voxels, int(start))
    if count := values.size - np.count_nonzero(np.isfinite(values)):
        raise ValueError(
            f"{path}: expected finite numbers, received NaN or infinity in {count} "
            "voxels. Replace them, for instance by the smallest number."
        )
