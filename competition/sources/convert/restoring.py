"""Convert masks of a converted folder back to label volumes or mask images.

They equal the labels that `convert` read, voxel by voxel or pixel by pixel.
"""

import pathlib
import types
from collections.abc import Collection
from typing import Any

import numpy as np

from competition.core import console, files, rle
from competition.core.data import images, mask_csv
from competition.core.experiment import layout
from competition.sources.convert import label_volumes, mask_images


def write(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write the labels of every scan of a submission or a train.csv.

    `data` is the converted folder. If classes overlap, the first by name gets the
    voxel, unless each class has mask images of its own. Return counts of volumes or
    images, of overlapping voxels and of slices without rows.
    """
    form, sidecar = read_sidecar(data)
    by_scan: dict[str, list[mask_csv.Row]] = {}
    for row in mask_csv.read(masks, None):
        by_scan.setdefault(images.scan_of(row.id), []).append(row)
    if not by_scan:
        raise ValueError(f"{masks}: expected rows of masks, received none.")
    written = overlaps = missing = 0
    with files.replacing(out) as folder:
        folder.mkdir()
        for scan in console.track(sorted(by_scan), "restore"):
            rows, record = by_scan[scan], sidecar["scans"].get(scan)
            if record is None:
                raise ValueError(
                    f"{masks}, row {rows[0].number}: expected a scan of "
                    f"{layout.GEOMETRY}, received {scan}. Give the folder that the "
                    "submission is for as `data`."
                )
            painted = form.blank(record, sidecar["classes"])
            try:
                overlaps += paint(rows, painted, sidecar["classes"])
            except ValueError as error:
                raise ValueError(f"{masks}, {error}") from error
            slices = len(next(iter(painted.values())))
            missing += slices - len({row.id for row in rows})
            written += form.save(folder, record, painted)
    if overlaps:
        console.warn(f"{overlaps} voxels lie in several classes; the first has them.")
    if missing:
        console.warn(f"{missing} slices have no row; they are left empty.")
    if left_out := _left_out(by_scan.keys(), sidecar["scans"]):
        names = ", ".join(left_out[:5]) + (", ..." if left_out[5:] else "")
        console.warn(f"{len(left_out)} scans have no row; nothing is written: {names}.")
    return {form.KIND: written, "overlaps": overlaps, "missing": missing}


def _left_out(scans: Collection[str], records: dict[str, Any]) -> list[str]:
    """Return the scans without rows that belong to the same parts as `scans`."""
    parts = {records[scan]["part"] for scan in scans}
    return [
        scan
        for scan, record in records.items()
        if record["part"] in parts and scan not in scans
    ]


def read_sidecar(data: pathlib.Path) -> tuple[types.ModuleType, Any]:
    """Return the module that restores labels of this kind, and geometry.json."""
    path = data / layout.GEOMETRY
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. Labels are restored into the form that `convert` "
            "kept there. Give the converted folder as `data`."
        )
    remedy = "Convert again."
    of_images = "channel" in files.read_json(path, dict[str, Any], remedy=remedy)
    form = mask_images if of_images else label_volumes
    return form, files.read_json(path, form.Sidecar, remedy=remedy)


def paint(
    rows: list[mask_csv.Row], painted: dict[str, np.ndarray], classes: dict[str, int]
) -> int:
    """Draw the masks of a scan; return how many voxels lie in several classes."""
    overlaps = 0
    for row in sorted(rows, key=lambda row: row.class_name):
        try:
            overlaps += _paint(row, painted, classes)
        except ValueError as error:
            raise ValueError(f"row {row.number}: {error}") from error
    return overlaps


def _paint(
    row: mask_csv.Row, painted: dict[str, np.ndarray], classes: dict[str, int]
) -> int:
    """Draw a mask into its class's labels; return how many voxels had one before."""
    if row.class_name not in classes:
        raise ValueError(
            f"expected a class of {layout.GEOMETRY}, one of {', '.join(classes)}, "
            f"received {row.class_name!r}. Correct the row."
        )
    slices = painted[row.class_name]
    number = images.parse_id(row.id)[2]
    if not 1 <= number <= len(slices):
        raise ValueError(
            f"expected slices 1 to {len(slices)}, received {row.id}. Remove the row."
        )
    plane = slices[number - 1]
    mask = rle.decode(row.rle, plane.shape)
    labelled = plane > 0
    plane[mask & ~labelled] = classes[row.class_name]
    return int((mask & labelled).sum())
