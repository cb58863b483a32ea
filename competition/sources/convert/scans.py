"""Convert a volume to a scan: slices as PNGs, a geometry record, masks as text."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from competition.core import rle
from competition.core.data import images, limits
from competition.sources.convert import (
    frames,
    label_names,
    levels,
    pairs,
    scan_table,
    sizes,
    volumes,
)

# Masks as text by slice and label value; empty ones are left out.
Texts = dict[tuple[str, int], str]
# The record of a scan for geometry.json, and its masks.
Converted = tuple[dict[str, Any], Texts]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A conversion: for each scan a function that writes it into a folder.

    `named` are the known names of label values. `about` is what geometry.json says
    about all scans.
    """

    scans: Mapping[str, Callable[[pathlib.Path], Converted]]
    named: dict[int, str]
    about: dict[str, Any]


def plan(
    folders: pairs.Folders,
    *,
    table: pathlib.Path | None,
    axis: str,
    window: levels.Window | None,
) -> Plan:
    """Plan the conversion of volumes and their label volumes.

    Each is a case of one day, unless a `table` says more.
    """
    named = label_names.read(folders.labels, folders.images)
    found = pairs.find(folders, volumes.find)
    if table:
        found = _by_table(table, found)
    sizes.check_volumes([pair.image for pair in found], axis)
    planned = {
        pair.scan: functools.partial(convert, pair, axis, window, named)
        for pair in found
    }
    return Plan(planned, named, {"axis": axis, "window": window})


def _by_table(table: pathlib.Path, found: list[pairs.Pair]) -> list[pairs.Pair]:
    """Return volumes with the case and the day that a table gives them, in order."""
    names = [pair.image.name for pair in found]
    places = scan_table.read(table, names, scan_table.OF_VOLUMES)
    numbered = []
    for pair in found:
        case, day, _ = places[pair.image.name]
        numbered.append(dataclasses.replace(pair, case=case, day=day))
    return sorted(numbered, key=lambda pair: (pair.case, pair.day))


def convert(
    pair: pairs.Pair,
    axis: str,
    window: levels.Window | None,
    named: dict[int, str],
    folder: pathlib.Path,
) -> Converted:
    """Write the slices of a volume; return its record and its masks."""
    stored, geometry = volumes.read(pair.image)
    frame = frames.find(geometry.direction, axis)
    pixels, scale = levels.convert(stored, str(pair.image), window)
    slices = frames.apply(pixels, frame)
    limits.check_slice(slices.shape[1:], f"{pair.image}: ")
    z, y, x = frames.spacing_mm(geometry.spacing, frame)
    images.write_scan(folder_of(folder, pair.part, pair.scan), slices, (x, y))
    record = {
        "name": pair.name,
        "source": pair.image.name,
        "part": pair.part,
        "slices": len(slices),
        "spacing_z_mm": z,
        "spacing_y_mm": y,
        "spacing_x_mm": x,
        "intensity": scale,
        "towards": frames.TOWARDS[axis],
        "frame": dataclasses.asdict(frame),
        "stored": dataclasses.asdict(geometry),
    }
    if pair.label is None:
        return record, {}
    label, label_geometry = volumes.read(pair.label)
    volumes.check_same((pair.image, geometry), (pair.label, label_geometry))
    label = frames.apply(label_names.whole(pair.label, label), frame)
    found: Texts = {}
    for index, plane in enumerate(label):
        found |= texts(slice_id(pair.scan, index), plane)
    if named:
        label_names.check(pair.label, {value for _, value in found}, named)
    return record, found


def folder_of(folder: pathlib.Path, part: str, scan: str) -> pathlib.Path:
    """Return where the slices of a scan lie in a competition folder."""
    return folder / part / scan.split("_")[0] / scan / "scans"


def slice_id(scan: str, index: int) -> str:
    """Return the id of the slice at `index` from 0."""
    return f"{scan}_slice_{index + 1:04d}"


def texts(id: str, labels: np.ndarray) -> Texts:
    """Return the masks of a slice's labels (H, W) as text; 0 is the background."""
    return {
        (id, int(value)): rle.encode(labels == value)
        for value in np.unique(labels)
        if value
    }
