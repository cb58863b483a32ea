"""Masks of a converted folder become label volumes again, in the sources' geometry.

The labels that `convert` read come back voxel by voxel.
"""

import pathlib
from typing import Annotated, Any

import numpy as np
import pydantic
import typing_extensions

from competition.core import console, files, rle
from competition.core.data import images, mask_csv
from competition.core.experiment import layout
from competition.sources.convert import frames, volumes


class _Record(typing_extensions.TypedDict):
    name: Annotated[str, pydantic.AfterValidator(layout.plain)]
    stored: volumes.VolumeGeometry
    frame: frames.Frame


class _Sidecar(typing_extensions.TypedDict):
    """The entries of geometry.json from which volumes are restored."""

    classes: dict[str, int]
    scans: dict[str, _Record]


def write(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write a label volume for every scan of a submission or a train.csv.

    `data` is the converted folder. Where classes overlap, the first by name has the
    voxel. Returns counts of volumes, of overlapping voxels and of slices without rows.
    """
    sidecar = _read_sidecar(data)
    by_scan: dict[str, list[mask_csv.Row]] = {}
    for row in mask_csv.read(masks, None):
        by_scan.setdefault(images.scan_of(row.id), []).append(row)
    overlaps = missing = 0
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
            geometry = record["stored"]
            kind = np.min_scalar_type(max(sidecar["classes"].values()))
            volume = np.zeros(geometry.size[::-1], kind)
            # A view: painting its slices paints the stored volume.
            slices = frames.apply(volume, record["frame"])
            for row in sorted(rows, key=lambda row: row.class_name):
                try:
                    overlaps += _paint(row, slices, sidecar["classes"])
                except ValueError as error:
                    raise ValueError(f"{masks}, row {row.number}: {error}") from error
            missing += len(slices) - len({row.id for row in rows})
            volumes.write(folder / f"{record['name']}.nii.gz", volume, geometry)
    if overlaps:
        console.warn(f"{overlaps} voxels lie in several classes; the first has them.")
    if missing:
        console.warn(f"{missing} slices have no row; they are left empty.")
    return {"volumes": len(by_scan), "overlaps": overlaps, "missing": missing}


def _read_sidecar(data: pathlib.Path) -> _Sidecar:
    path = data / layout.GEOMETRY
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. Volumes are restored into the geometry that `convert` "
            "kept there. Give the converted folder as `data`."
        )
    sidecar: _Sidecar = files.read_json(path, _Sidecar, remedy="Convert again.")
    return sidecar


def _paint(row: mask_csv.Row, slices: np.ndarray, classes: dict[str, int]) -> int:
    """Draw a mask into labels (D, H, W); return how many voxels had a label before."""
    number = images.parse_id(row.id)[2]
    if not 1 <= number <= len(slices):
        raise ValueError(
            f"expected slices 1 to {len(slices)}, received {row.id}. Remove the row."
        )
    plane = slices[number - 1]
    mask = rle.decode(row.rle, plane.shape)
    if row.class_name not in classes:
        raise ValueError(
            f"expected a class of {layout.GEOMETRY}, one of {', '.join(classes)}, "
            f"received {row.class_name!r}. Correct the row."
        )
    labelled = plane > 0
    plane[mask & ~labelled] = classes[row.class_name]
    return int((mask & labelled).sum())
