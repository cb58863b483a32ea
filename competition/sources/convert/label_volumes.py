"""Masks of a converted folder become label volumes again, where the sources lay.

What `convert` made of label volumes comes back voxel by voxel.
"""

import pathlib
from typing import Any

import numpy as np
from rich import progress

from competition.core import console, files, rle
from competition.core.data import images, mask_csv
from competition.core.experiment import layout
from competition.sources import convert
from competition.sources.convert import frames, volumes


def write(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write a label volume for every scan of a submission or a train.csv.

    `data` is the converted folder. Where classes overlap, the first by name has the
    voxel. Returns counts of volumes, of overlapping voxels and of slices without rows.
    """
    convert.check_new(out)
    sidecar = _read_sidecar(data)
    by_scan: dict[str, list[mask_csv.Row]] = {}
    for row in mask_csv.read(masks, None):
        case, day, _ = images.parse_id(row.id)
        by_scan.setdefault(f"case{case}_day{day}", []).append(row)
    done = {"volumes": len(by_scan), "overlaps": 0, "missing": 0}
    with files.replacing(out) as folder:
        folder.mkdir()
        for scan in progress.track(sorted(by_scan), "restore", console=console.ERR):
            rows = by_scan[scan]
            try:
                slices, overlaps = _paint(rows, sidecar, scan)
            except ValueError as error:
                raise ValueError(f"{masks}, {error}") from error
            done["overlaps"] += overlaps
            done["missing"] += len(slices) - len({row.id for row in rows})
            _write_volume(folder, slices, sidecar["scans"][scan])
    _warn(done)
    return done


def _read_sidecar(data: pathlib.Path) -> dict[str, Any]:
    path = data / layout.GEOMETRY
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. Volumes are restored into the geometry that `convert` "
            "kept there. Give the converted folder as --data."
        )
    sidecar: dict[str, Any] = files.read_json(path)
    return sidecar


def _paint(
    rows: list[mask_csv.Row], sidecar: dict[str, Any], scan: str
) -> tuple[np.ndarray, int]:
    """Draw the rows of a scan as labels (D, H, W); count the overlapping voxels."""
    record = sidecar["scans"].get(scan)
    if record is None:
        raise ValueError(
            f"row {rows[0].number}: expected a scan of {layout.GEOMETRY}, "
            f"received {scan}. Give the folder that the submission is for as --data."
        )
    classes = sidecar["classes"]
    frame = _frame(record)
    size = record["stored"]["size"]
    shape = tuple(size[2 - place] for place in frame.order)
    slices = np.zeros(shape, np.min_scalar_type(max(classes.values())))
    overlaps = 0
    for row in sorted(rows, key=lambda row: row.class_name):
        plane = slices[_index(row, shape[0])]
        try:
            mask = rle.decode(row.rle, plane.shape)
        except ValueError as error:
            raise ValueError(f"row {row.number}: {error}") from error
        if row.class_name not in classes:
            raise ValueError(
                f"row {row.number}: expected a class of {layout.GEOMETRY}, one of "
                f"{', '.join(classes)}, received {row.class_name!r}. Correct the row."
            )
        overlaps += int((mask & (plane > 0)).sum())
        plane[mask & (plane == 0)] = classes[row.class_name]
    return slices, overlaps


def _index(row: mask_csv.Row, count: int) -> int:
    number = images.parse_id(row.id)[2]
    if not 1 <= number <= count:
        raise ValueError(
            f"row {row.number}: expected slices 1 to {count}, received {row.id}. "
            "Remove the row."
        )
    return number - 1


def _frame(record: dict[str, Any]) -> frames.Frame:
    frame = record["frame"]
    return frames.Frame(tuple(frame["order"]), tuple(frame["flipped"]))


def _write_volume(
    folder: pathlib.Path, slices: np.ndarray, record: dict[str, Any]
) -> None:
    stored = {key: tuple(value) for key, value in record["stored"].items()}
    volumes.write(
        folder / f"{record['name']}.nii.gz",
        frames.undo(slices, _frame(record)),
        volumes.VolumeGeometry(**stored),
    )


def _warn(done: dict[str, int]) -> None:
    if done["overlaps"]:
        console.warn(
            f"{done['overlaps']} voxels lie in several classes; the first has them."
        )
    if done["missing"]:
        console.warn(f"{done['missing']} slices have no row; they are left empty.")
