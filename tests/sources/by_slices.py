"""A DICOM series as a scanner leaves it: a file a slice."""

import struct

import numpy as np
import SimpleITK as sitk


def write_series(folder, array, geometry, *, uid="1.2.3.4", skip=(), lost=()):
    """Write a stored array (k, j, i) as a series.

    It is without the slices in `skip`, and its files without the tags `lost`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    columns = np.reshape(geometry.direction, (3, 3)).T
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in sorted(set(range(len(array))) - set(skip)):
        slice = image[:, :, k]
        place = image.TransformIndexToPhysicalPoint((0, 0, k))
        for tag, value in {
            "0008|0018": f"{uid}.{k + 1}",
            "0008|0060": "MR",
            "0020|000d": "1.2.3",
            "0020|000e": uid,
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(map(str, place)),
            "0020|0037": "\\".join(map(str, columns[:2].ravel())),
        }.items():
            slice.SetMetaData(tag, value)
        # Named against their order in space.
        path = folder / f"{uid}-{len(array) - k:03d}.dcm"
        writer.SetFileName(str(path))
        writer.Execute(slice)
        for tag in lost:
            _remove(path, tag)


def _remove(path, tag):
    """Remove a tag such as "0020|0032" from a file of implicit types."""
    content = path.read_bytes()
    numbers = (int(part, 16) for part in tag.split("|"))
    start = content.index(struct.pack("<2H", *numbers), 132)
    (length,) = struct.unpack_from("<I", content, start + 4)
    path.write_bytes(content[:start] + content[start + 8 + length :])
