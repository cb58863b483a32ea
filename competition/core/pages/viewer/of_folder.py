"""Show scans of a competition folder in the viewer, with annotations or submission."""

import pathlib

import numpy as np

from competition.core import masks, problems
from competition.core.data import (
    annotations,
    images,
    intensities,
    mask_csv,
    slice_spacing,
)
from competition.core.pages.viewer import scan_view

Shown = tuple[scan_view.ScanView, list[str], dict[str, str]]


def view(data: pathlib.Path, scan: str, submission: pathlib.Path | None) -> Shown:
    """Return the view of a scan, the classes, and the words for outlines.

    Without a `submission` the annotations of train.csv are shown, otherwise both.
    """
    slices = _slices(data, scan)
    train = data / "train.csv"
    tables = [train] if train.is_file() else []
    if submission:
        tables.append(submission)
    if not tables:
        raise ValueError(
            f"{data} has no train.csv. Expected annotations to show, or --submission."
        )
    rows = {table: mask_csv.read(table, None) for table in tables}
    if submission and scan not in annotations.group(rows[submission]):
        raise ValueError(
            f"{submission} has no row of {scan}. Expected a submission for the part of "
            "the data with that scan; a scan in which nothing is found has rows too."
        )
    classes = annotations.classes([row for each in rows.values() for row in each])
    bits = {
        table: _decode(table, each, slices, classes) for table, each in rows.items()
    }
    volume, _, faults = intensities.read_scan(data, slices)
    problems.raise_if_any(faults)
    shown = bits[submission or train]
    is_annotated = slices[0].path.startswith("train/") and train in bits
    first = slices[0]
    spacing_z = slice_spacing.read(data).get(scan, slice_spacing.SPACING_Z_MM)
    made = scan_view.ScanView(
        title=scan,
        numbers=[image.slice for image in slices],
        scan=volume,
        spacing=(spacing_z, first.spacing_y_mm, first.spacing_x_mm),
        stages={"submission" if submission else "annotations": shown},
        truth=bits[train] if submission and is_annotated else None,
    )
    if made.truth is not None:
        return made, classes, {"truth": "truth", "prediction": "submission"}
    return made, classes, {"prediction": next(iter(made.stages))}


def _slices(data: pathlib.Path, scan: str) -> list[images.Image]:
    """Return the slices of a training or test scan; an unknown scan is an error."""
    found = [*images.find(data, "train"), *images.find(data, "test")]
    slices = [image for image in found if image.scan == scan]
    if not slices:
        known = ", ".join([*dict.fromkeys(image.scan for image in found)][:5])
        raise ValueError(
            f"{data} has no scan {scan!r}. Expected one of its scans, such as "
            f"{known or 'none: it has no slices'}."
        )
    return slices


def _decode(
    table: pathlib.Path,
    rows: list[mask_csv.Row],
    slices: list[images.Image],
    classes: list[str],
) -> masks.Bits:
    of_scan = annotations.group(rows).get(slices[0].scan, {})
    bits, faults = annotations.decode(table, of_scan, slices, classes)
    problems.raise_if_any(faults)
    return np.ascontiguousarray(bits)
