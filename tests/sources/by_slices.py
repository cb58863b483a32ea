"""A DICOM series as a scanner leaves it: a file a slice."""

import struct

import numpy as np
import SimpleITK as sitk


def write_series(
    folder, array, geometry, *, uid="1.2.3.4", lost=(), at=None, aside=0, tags=()
):
    """Write a stored array (k, j, i) as a series.

    Its files are without the tags `lost`. `at` says where slices lie, in slices from
    the first; each lies `aside` mm further along its rows. `tags` has values of tags
    for each slice.
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
            "0020|0032": "\\".join(map(str, place + k * aside * columns[0])),
            "0020|0037": "\\".join(map(str, columns[:2].ravel())),
        }.items():
            slice.SetMetaData(tag, value)
        # Named against their order in space.
        path = folder / f"{uid}-{len(array) - k:03d}.dcm"
        writer.SetFileName(str(path))
        writer.Execute(slice)
        for tag in lost:
            _replace(path, tag, b"")
        for tag, value in (tags[k] if tags else {}).items():
            text = value.encode() + b" " * (len(value) % 2)
            _replace(path, tag, _key(tag) + struct.pack("<I", len(text)) + text)


def _replace(path, tag, element):
    """Put an element in the place of a tag such as "0020|0032".

    The types of the file are implicit. A tag that it lacks comes before the pixels.
    """
    content = path.read_bytes()
    start = end = content.find(_key(tag), 132)
    if start >= 0:
        (length,) = struct.unpack_from("<I", content, start + 4)
        end = start + 8 + length
    else:
        start = end = content.rindex(_key("7fe0|0010"))
    path.write_bytes(content[:start] + element + content[end:])


def _key(tag):
    return struct.pack("<2H", *(int(part, 16) for part in tag.split("|")))
