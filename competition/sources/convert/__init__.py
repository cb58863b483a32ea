"""NIfTI or DICOM volumes with label volumes become a competition folder.

`geometry.json` in the folder keeps what PNG slices cannot; `restore` is the way back.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich import progress

from competition.core import console, files, rle
from competition.core.data import mask_csv
from competition.core.experiment import layout
from competition.sources.convert import frames, label_names, levels, pairs, volumes

# Runs by id and label value; what is empty has no entry.
Masks = dict[str, dict[int, str]]


def write(
    images: pathlib.Path,
    labels: pathlib.Path,
    *,
    out: pathlib.Path,
    test: pathlib.Path | None = None,
    axis: str = "z",
) -> dict[str, Any]:
    """Convert volumes under `images` and `labels`; return what `out` then holds.

    Every volume is a case with day 0, numbered by name; those under `test` follow and
    have no labels. Slices lie along the anatomical `axis`, see `frames`.
    """
    check_new(out)
    planned = pairs.find(images, labels, test)
    named = label_names.read(labels, images)
    masks: Masks = {}
    scans = {}
    with files.replacing(out) as folder:
        for pair in progress.track(planned, "convert", console=console.ERR):
            scans[pair.scan], found = _convert(folder, pair, axis)
            if pair.label and named:
                label_names.check(pair.label, _values(found), named)
            masks |= found
        names = named or label_names.number(_values(masks), labels)
        label_names.check_count(names)
        _write_tables(folder, scans, masks, names)
        classes = {name: value for value, name in names.items()}
        sidecar = {"axis": axis, "classes": classes, "scans": scans}
        files.write_json(folder / layout.GEOMETRY, sidecar)
    parts = [scan["part"] for scan in scans.values()]
    return {
        "train": parts.count("train"),
        "test": parts.count("test"),
        "slices": sum(scan["slices"] for scan in scans.values()),
        "classes": sorted(classes),
    }


def restore(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write the masks of a submission or train.csv as label volumes into `out`.

    `data` is the converted folder; see `label_volumes.write`.
    """
    # Only here, since that module uses this one.
    from competition.sources.convert import label_volumes

    return label_volumes.write(masks, data=data, out=out)


def check_new(out: pathlib.Path) -> None:
    """Refuse an output folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out} exists already. Name a new folder with --out, or remove this one."
        )


def _convert(
    folder: pathlib.Path, pair: pairs.VolumePair, axis: str
) -> tuple[dict[str, Any], Masks]:
    """Write a volume's slices; return its record, and the masks of its label."""
    stored, geometry = volumes.read(pair.image)
    frame = frames.find(geometry.direction, axis)
    pixels, scale = levels.convert(stored, str(pair.image))
    slices = frames.apply(pixels, frame)
    spacing = frames.spacing_mm(geometry.spacing, frame)
    _write_slices(folder, pair, slices, spacing)
    record = {
        "name": pair.name,
        "source": pair.image.name,
        "part": pair.part,
        "slices": len(slices),
        "spacing_z_mm": spacing[0],
        "spacing_y_mm": spacing[1],
        "spacing_x_mm": spacing[2],
        "intensity": scale,
        "towards": frames.TOWARDS[axis],
        "frame": dataclasses.asdict(frame),
        "stored": dataclasses.asdict(geometry),
    }
    if pair.label is None:
        return record, {}
    label, label_geometry = volumes.read(pair.label)
    volumes.check_same((pair.image, geometry), (pair.label, label_geometry))
    label = label_names.whole(pair.label, label)
    return record, _masks(pair.scan, frames.apply(label, frame))


def _write_slices(
    folder: pathlib.Path,
    pair: pairs.VolumePair,
    slices: np.ndarray,
    spacing: tuple[float, ...],
) -> None:
    import cv2

    into = folder / pair.part / f"case{pair.case}" / pair.scan / "scans"
    into.mkdir(parents=True)
    height, width = slices.shape[1:]
    ending = f"{width}_{height}_{_decimals(spacing[2])}_{_decimals(spacing[1])}"
    for number, pixels in enumerate(slices, start=1):
        path = into / f"slice_{number:04d}_{ending}.png"
        if not cv2.imwrite(str(path), np.ascontiguousarray(pixels)):
            raise OSError(f"{path} could not be written. Is there space on the device?")


def _decimals(spacing_mm: float) -> str:
    """As the competition writes it; a microscope's spacing must not become 0.00."""
    return f"{spacing_mm:.2f}" if spacing_mm >= 0.1 else f"{spacing_mm:.8f}"


def _masks(scan: str, slices: np.ndarray) -> Masks:
    return {
        _id(scan, index): {
            int(value): rle.encode(labels == value)
            for value in np.unique(labels)
            if value
        }
        for index, labels in enumerate(slices)
    }


def _values(masks: Masks) -> set[int]:
    return {value for by_value in masks.values() for value in by_value}


def _id(scan: str, index: int) -> str:
    return f"{scan}_slice_{index + 1:04d}"


def _write_tables(
    folder: pathlib.Path,
    scans: dict[str, dict[str, Any]],
    masks: Masks,
    names: dict[int, str],
) -> None:
    tables = {"train": "train.csv", "test": "sample_submission.csv"}
    for part, file in tables.items():
        chosen = {name: scan for name, scan in scans.items() if scan["part"] == part}
        column = "segmentation" if part == "train" else "predicted"
        rows = _rows(chosen, masks, names)
        mask_csv.write(folder / file, rows, column=column)


def _rows(
    scans: dict[str, dict[str, Any]], masks: Masks, names: dict[int, str]
) -> Iterator[mask_csv.Row]:
    """A row a slice and class, empty where there is no mask."""
    by_name = sorted((name, value) for value, name in names.items())
    for scan, record in scans.items():
        for index in range(record["slices"]):
            id = _id(scan, index)
            for name, value in by_name:
                yield mask_csv.Row(0, id, name, masks.get(id, {}).get(value, ""))
