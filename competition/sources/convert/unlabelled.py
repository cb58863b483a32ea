"""Convert images without labels like those that a run was trained on."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pydantic

from competition.core.data import mask_csv
from competition.core.experiment import layout
from competition.sources.convert import (
    label_volumes,
    levels,
    mask_images,
    pairs,
    picture_plan,
    picture_scans,
    pictures,
    restoring,
    scans,
    sizes,
    volumes,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How images are converted, and the label value of each class.

    `of_images` says whether they are images of one slice, not volumes. `folders` are
    the classes whose mask images have a folder each, or (None,).
    """

    of_images: bool
    classes: Mapping[str, int]
    axis: str = "z"
    channel: str = "grey"
    window: levels.Window | None = None
    folders: Sequence[str | None] = (None,)


@dataclasses.dataclass(frozen=True, slots=True)
class Unlabelled:
    """A volume or image without labels, which becomes a scan.

    `convert` writes its slices into a folder, and returns the record of the scan.
    """

    scan: str
    name: str
    path: pathlib.Path
    convert: Callable[[pathlib.Path], scans.Converted]


def settings(
    data: pathlib.Path, images: pathlib.Path, classes: Sequence[str]
) -> Settings:
    """Return how the training folder `data` was converted.

    `classes` are those of the run. If the folder was not converted, they have the
    values 1, 2, ... in their order.
    """
    if classes and not (data / layout.GEOMETRY).is_file():
        of_images = pictures.are_in(images) and not volumes.are_in(images)
        values = {name: value for value, name in enumerate(classes, start=1)}
        return Settings(of_images, values)
    form, sidecar = restoring.read_sidecar(data)
    known, window = sidecar["classes"], sidecar.get("window")
    if classes and set(classes) != known.keys():
        raise ValueError(
            f"{data / layout.GEOMETRY}: expected the classes of the run, "
            f"{', '.join(classes)}, received {', '.join(known)}. Give the folder that "
            "the run was trained on as `data`."
        )
    if form is label_volumes:
        return Settings(False, known, axis=sidecar["axis"], window=window)
    first = next(iter(sidecar["scans"].values()))
    folders = [file["folder"] for file in first["masks"][0]]
    return Settings(
        True, known, channel=sidecar["channel"], window=window, folders=folders
    )


def find(images: pathlib.Path, settings: Settings) -> list[Unlabelled]:
    """Return the volumes or images of a folder; each becomes a case with day 0."""
    convert: Callable[[pairs.Pair], Callable[[pathlib.Path], scans.Converted]]
    if settings.of_images:
        find, convert = pictures.find, functools.partial(_convert_image, settings)
    else:
        find, convert = volumes.find, functools.partial(_convert_volume, settings)
    return [
        Unlabelled(pair.scan, pair.name, pair.image, convert(pair))
        for pair in pairs.find_unlabelled(images, find)
    ]


def _convert_volume(
    settings: Settings, pair: pairs.Pair
) -> Callable[[pathlib.Path], scans.Converted]:
    return functools.partial(scans.convert, pair, settings.axis, settings.window, {})


def _convert_image(
    settings: Settings, pair: pairs.Pair
) -> Callable[[pathlib.Path], scans.Converted]:
    reading = picture_scans.Reading(
        settings.channel, settings.window, {}, list(settings.folders)
    )
    alone = picture_plan.Slice(pair.image, {})
    scan = picture_plan.PictureScan(pair.scan, pair.part, [alone])
    return functools.partial(picture_scans.convert, scan, reading)


def plan(images: pathlib.Path, settings: Settings) -> scans.Plan:
    """Plan the conversion of a folder without labels."""
    of_images = settings.of_images
    how = {"channel": settings.channel} if of_images else {"axis": settings.axis}
    named = {value: name for name, value in settings.classes.items()}
    found = find(images, settings)
    if of_images:
        sizes.check_images([[each.path] for each in found])
    else:
        sizes.check_volumes([each.path for each in found], settings.axis)
    planned = {each.scan: each.convert for each in found}
    return scans.Plan(planned, named, {**how, "window": settings.window})


def save(
    folder: pathlib.Path,
    record: dict[str, Any],
    masks: Mapping[tuple[str, str], str],
    settings: Settings,
) -> int:
    """Write the labels of a scan, whose masks are given as text by (id, class).

    Return how many voxels lie in several classes.
    """
    form = mask_images if settings.of_images else label_volumes
    classes = dict(settings.classes)
    checked = pydantic.TypeAdapter(form.Record).validate_python(record)
    painted = form.blank(checked, classes)
    rows = [mask_csv.Row(0, id, name, rle) for (id, name), rle in masks.items()]
    overlaps = restoring.paint(rows, painted, classes)
    form.save(folder, checked, painted)
    return overlaps
