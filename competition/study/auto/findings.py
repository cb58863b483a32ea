"""Find the properties of prepared data by which an experiment is planned."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import typing_extensions

from competition.core import files, masks
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.study import amounts

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
# Masks of so many scans are read, or of more if these have fewer slices than SLICES.
SCANS, SLICES = 40, 480
# Neighbouring slices are compared in so many scans, and in so many pairs of each.
JUMP_SCANS, JUMP_PAIRS = 12, 24


class _Record(typing_extensions.TypedDict):
    """The entry of a scan's record that tells the voxels of each class."""

    voxels: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The size, shape and contents of a data set.

    `depth` is the median number of slices of a scan. `height` and `width` are the
    largest of all slices, and `body_height` and `body_width` of the boxes around
    bodies, in pixels. `saving` is the share of pixels outside of these boxes. Slices
    are `anisotropy` times as far apart as pixels. `thickness` is that of the thinnest
    class in pixels, or of the gap between its parts; 0 without any mask. Neighbouring
    slices differ `jump` times as much if a scan is scaled as a whole as if each slice
    is scaled alone; 1 if scans have one slice. `fewest` is the smallest number of
    slices that a fold trains on.
    """

    amount: amounts.Amounts
    cases: int
    depth: int
    height: int
    width: int
    body_height: int
    body_width: int
    saving: float
    anisotropy: float
    thickness: float
    jump: float
    fewest: int


def of(dataset: layout.DatasetFiles) -> Findings:
    """Look through the slice table and a sample of the masks of prepared data.

    Only a sample of the masks is read, spread evenly over the scans that have any by
    their record: about SLICES slices for the thickness, and SCANS scans or more for the
    share of slices with a mask.
    """
    manifest = runs.prepared(dataset)
    table = slice_table.read(dataset)
    scans = table.drop_duplicates("scan")
    sides = scans[["spacing_x_mm", "spacing_y_mm"]].to_numpy()
    heights = scans["box_bottom"] - scans["box_top"]
    widths = scans["box_right"] - scans["box_left"]
    pixels = scans["height"] * scans["width"]
    positives, thinnest = _masks(dataset, table, manifest["classes"])
    return Findings(
        amount=amounts.Amounts(
            slices=len(table),
            positives=positives,
            scans=len(scans),
            pixels=int((table["height"] * table["width"]).sum()),
            classes=len(manifest["classes"]),
            folds=manifest["folds"],
        ),
        cases=table["case"].nunique(),
        depth=int(table.groupby("scan").size().median()),
        height=int(scans["height"].max()),
        width=int(scans["width"].max()),
        body_height=int(heights.max()),
        body_width=int(widths.max()),
        saving=1 - float((heights * widths / pixels).mean()),
        anisotropy=float((scans["spacing_z_mm"] / sides.mean(axis=1)).median()),
        thickness=thinnest,
        jump=_jump(dataset, table),
        fewest=len(table) - int(table.groupby("fold").size().max()),
    )


def _masks(
    dataset: layout.DatasetFiles, table: "pd.DataFrame", classes: Sequence[str]
) -> tuple[int, float]:
    """Count slices with a mask; return the thickness of the thinnest class as well."""
    in_scan = table["scan"].value_counts(sort=False).to_dict()
    annotated = [scan for scan in in_scan if _is_annotated(dataset, scan)]
    slices = sum(in_scan[scan] for scan in annotated)
    depth = slices / max(1, len(annotated))
    sample = spread(annotated, max(SCANS, math.ceil(SLICES / max(1, depth))))
    store, positives = arrays.Arrays(dataset), 0
    found: list[list[float]] = [[] for _ in classes]
    for scan in sample:
        volume = store.masks(scan)
        filled = [index for index, bits in enumerate(volume) if bits.any()]
        positives += len(filled)
        for number in spread(filled, math.ceil(SLICES / len(sample))):
            for index, by_slice in enumerate(found):
                plane = masks.plane(volume[number], index)
                if plane.any():
                    by_slice.append(thickness(plane))
    typical = [np.median(by_slice) for by_slice in found if by_slice]
    share = positives / max(1, sum(in_scan[scan] for scan in sample))
    return round(share * slices), float(min(typical, default=0))


def _jump(dataset: layout.DatasetFiles, table: "pd.DataFrame") -> float:
    """Return the median jump of some scans; 1 if none has two slices."""
    store, jumps = arrays.Arrays(dataset), []
    for scan in spread(slice_table.scans(table), JUMP_SCANS):
        rows = table[table["scan"] == scan]
        if len(rows) > 1:
            windows = {
                name: slice_table.windows(rows, name) for name in ("scan", "slice")
            }
            jumps.append(jump(store.scan(scan), windows))
    return float(np.median(jumps)) if jumps else 1.0


def jump(volume: np.ndarray, windows: Mapping[str, np.ndarray]) -> float:
    """Return how many times as much neighbouring slices differ if scaled by the scan.

    The other case is that each slice of the scan (D, H, W) is scaled alone. `windows`
    are the (low, high) of each slice: by "scan" those of the scan, by "slice" its own.
    """
    pairs = spread(range(len(volume) - 1), JUMP_PAIRS)

    def scaled(index: int, name: str) -> np.ndarray:
        low, high = windows[name][index]
        return ((volume[index] - low) / max(high - low, 1)).clip(0, 1)

    def difference(name: str) -> float:
        apart = (scaled(i + 1, name) - scaled(i, name) for i in pairs)
        return float(sum(np.abs(each).mean() for each in apart))

    alone = difference("slice")
    return difference("scan") / alone if alone else 1.0


def _is_annotated(dataset: layout.DatasetFiles, scan: str) -> bool:
    """Return whether a scan has any mask by its record; True if old data has none."""
    path = dataset.record(scan)
    if not files.exists(path):
        return True
    record: _Record = files.read_json(path, _Record, remedy="Prepare the data again.")
    return any(record["voxels"])


def spread(values: Sequence[T], most: int) -> list[T]:
    """Return at most so many values, spread evenly, including the first and last."""
    count = min(most, len(values))
    places = np.linspace(0, len(values) - 1, count).round().astype(int)
    return [values[place] for place in places]


def thickness(plane: np.ndarray) -> float:
    """Return the thickness of a mask in pixels, or of the background if thinner."""
    if plane.all():
        return float(min(plane.shape))
    return min(_breadth(plane), _breadth(~plane))


def _breadth(plane: np.ndarray) -> float:
    """Return the breadth of a strip whose pixels are as far from the others on average.

    A strip of b pixels has the distances 1, 2 ... b / 2 from each side.
    """
    import cv2

    pixels = plane.astype(np.uint8)
    distances = cv2.distanceTransform(pixels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return 4 * float(distances[plane].mean()) - 2
