"""Images become scans: slices as PNGs, masks as text, a record of the files."""

import dataclasses
import functools
import pathlib

import numpy as np

from competition.core import masks
from competition.core.data import images, limits
from competition.sources.convert import (
    label_names,
    levels,
    pairs,
    picture_plan,
    pictures,
    scans,
    sizes,
)

# The files do not say how large a pixel is.
_PIXEL_MM = 1.0
# The pixel value of a class with a folder of its own, unless a mask has another.
_WHITE = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """How pixels are read: the channel of colours, the window, the names of labels.

    `folders` are the classes that have a folder each, or [None].
    """

    channel: str
    window: levels.Window | None
    named: dict[int, str]
    folders: list[str | None]


def plan(
    folders: pairs.Folders,
    *,
    table: pathlib.Path | None,
    channel: str,
    window: levels.Window | None,
) -> scans.Plan:
    """Plan the conversion of images and their masks.

    A mask in a class's folder has that class; others have a class for each value.
    """
    pictures.check_channel(channel)
    classes = picture_plan.class_folders(folders.labels)
    named = {place: name for place, name in enumerate(classes, start=1) if name}
    named = named or label_names.read(folders.labels, folders.images)
    reading = Reading(channel, window, named, classes)
    found = picture_plan.find(folders, table)
    sizes.check_images([[slice.image for slice in each.slices] for each in found])
    planned = {each.scan: functools.partial(convert, each, reading) for each in found}
    about = {"channel": channel, "window": window}
    return scans.Plan(planned, named, about)


def convert(
    planned: picture_plan.PictureScan, reading: Reading, folder: pathlib.Path
) -> scans.Converted:
    """Write the slices of a scan; return its record and its masks."""
    stack = _stack(planned.slices, reading.channel)
    name = str(planned.slices[0].image)
    limits.check_slice(stack.shape[1:], f"{name}: ")
    pixels, scale = levels.convert(stack, name, reading.window)
    path = scans.folder_of(folder, planned.part, planned.scan)
    images.write_scan(path, pixels, (_PIXEL_MM, _PIXEL_MM))
    texts: scans.Texts = {}
    files = []
    for index, slice in enumerate(planned.slices):
        values = {}
        for own, path in slice.masks.items():
            numbers = pictures.read_mask(path)
            _check_size(slice.image, stack[0], path, numbers)
            numbers, values[own] = _labels(path, numbers, own, reading)
            texts |= scans.texts(scans.slice_id(planned.scan, index), numbers)
        files.append(
            [
                {
                    "folder": own,
                    "name": slice.masks.get(own, slice.image).stem,
                    "value": values.get(own, _WHITE),
                }
                for own in reading.folders
            ]
        )
    record = {
        "source": [slice.image.name for slice in planned.slices],
        "part": planned.part,
        "slices": len(planned.slices),
        **{f"spacing_{axis}_mm": _PIXEL_MM for axis in "zyx"},
        "intensity": scale,
        "size": stack.shape[:0:-1],
        "masks": files,
    }
    return record, texts


def _stack(slices: list[picture_plan.Slice], channel: str) -> np.ndarray:
    """Return one channel of the images of a scan as (D, H, W)."""
    planes = [pictures.grey(pictures.read(each.image), channel) for each in slices]
    for slice, plane in zip(slices, planes, strict=True):
        _check_size(slices[0].image, planes[0], slice.image, plane)
    return np.stack(planes)


def _check_size(
    path: pathlib.Path, one: np.ndarray, other_path: pathlib.Path, other: np.ndarray
) -> None:
    """Refuse two images of different sizes that belong together."""
    if one.shape != other.shape:
        sizes = [f"{array.shape[1]} x {array.shape[0]}" for array in (one, other)]
        raise ValueError(
            f"{path} and {other_path} must have one size, because they are slices of "
            f"one scan or an image and its mask. Received: {sizes[0]} and {sizes[1]} "
            "pixels (width x height). Restore or replace one of them."
        )


def _labels(
    path: pathlib.Path, numbers: np.ndarray, folder: str | None, reading: Reading
) -> tuple[np.ndarray, int]:
    """Return the labels of a mask image (H, W), and the pixel value of its class.

    Only a mask in a class's folder has such a value. A value without a class is an
    error.
    """
    values = [int(value) for value in np.unique(numbers) if value]
    if folder is None and reading.named:
        label_names.check(path, values, reading.named)
    elif folder is None and path.suffix.lower() in pictures.LOSSY:
        raise ValueError(
            f"{path}: expected a mask without loss, because each of its values is a "
            "class, received a JPEG, which mixes values at edges. Threshold the masks "
            "and save them as PNG."
        )
    # Smoothed edges have more values.
    most = masks.MOST_CLASSES if folder is None else 1
    if len(values) > most:
        raise ValueError(
            f"{path}: expected 0 and at most {most} other "
            f"{'values, one a class' if folder is None else 'value'}, received "
            f"{len(values)}. JPEG and smoothed edges mix values: save the masks as PNG "
            "and without smoothing. If each object has a number of its own, give all "
            "objects of a class one."
        )
    if folder is None:
        return numbers, _WHITE
    number = reading.folders.index(folder) + 1
    return np.where(numbers, number, 0), values[0] if values else _WHITE
