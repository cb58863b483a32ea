"""A volume becomes a scan: slices as PNGs, a record of its geometry, masks as text."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from competition.core import rle
from competition.core.data import images
from competition.sources.convert import frames, label_names, levels, pairs, volumes


def convert(
    folder: pathlib.Path,
    pair: pairs.VolumePair,
    axis: str,
    window: levels.Window | None,
) -> tuple[dict[str, Any], dict[tuple[str, int], str]]:
    """Write the slices of a volume into the competition folder.

    Return its record for geometry.json, and its masks by slice and label value.
    """
    stored, geometry = volumes.read(pair.image)
    frame = frames.find(geometry.direction, axis)
    pixels, scale = levels.convert(stored, str(pair.image), window)
    slices = frames.apply(pixels, frame)
    z, y, x = frames.spacing_mm(geometry.spacing, frame)
    part = "train" if pair.label else "test"
    path = folder / part / f"case{pair.case}" / pair.scan / "scans"
    images.write_scan(path, slices, (x, y))
    record = {
        "name": pair.name,
        "source": pair.image.name,
        "part": part,
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
    return record, {
        (slice_id(pair.scan, index), int(value)): rle.encode(plane == value)
        for index, plane in enumerate(label)
        for value in np.unique(plane)
        if value
    }


def slice_id(scan: str, index: int) -> str:
    """Return the id of the slice at `index` from 0."""
    return f"{scan}_slice_{index + 1:04d}"
