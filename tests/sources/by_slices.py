"""A DICOM series as a scanner leaves it: a file a slice."""

import struct

import numpy as np
import SimpleITK as sitk


def write_series(folder, array, geometry, *, uid="1.2.3.4", lost=(), at=None):
    """Write a stored array (k, j, i) as a series.

    Its files are without the tags `lost`. `at` says where slices lie, in slices from
    the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    columns = np.reshape(geometry.direction, (3, 3)).T
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(len(array)):
        slice = image[:, :, k]
        place = image.TransformContinuousIndexToPhysicalPoint(
            (0, 0, at[k] if at else k)
        )
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
