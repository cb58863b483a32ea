"""What prepared data is like, as far as an experiment is planned by it."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from competition.core import masks
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.study import amounts


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The size, shape and contents of a data set.

    `depth` is the median number of slices of a scan. `height` and `width` are the
    largest of all slices, and `body_height` and `body_width` of the boxes around
    bodies, in pixels. `saving` is the share of pixels outside of these boxes. Slices
    are `anisotropy` times as far apart as pixels. `thickness` is that of the thinnest
    class in pixels, or of what lies between its parts; 0 without any mask.
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


def of(dataset: layout.DatasetFiles) -> Findings:
    """Look through the slice table and the masks of prepared data."""
    manifest = runs.prepared(dataset)
    table = slice_table.read(dataset)
    scans = table.drop_duplicates("scan")
    sides = scans[["spacing_x_mm", "spacing_y_mm"]].to_numpy()
    heights = scans["box_bottom"] - scans["box_top"]
    widths = scans["box_right"] - scans["box_left"]
    pixels = scans["height"] * scans["width"]
    positives, thinnest = _masks(dataset, list(scans["scan"]), manifest["classes"])
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
    )


def _masks(
    dataset: layout.DatasetFiles, scans: list[str], classes: Sequence[str]
) -> tuple[int, float]:
    """Count slices with a mask; return the thickness of the thinnest class as well."""
    store, positives = arrays.Arrays(dataset), 0
    found: list[list[float]] = [[] for _ in classes]
    for scan in scans:
        for bits in store.masks(scan):
            positives += bool(bits.any())
            for index, by_slice in enumerate(found):
                plane = masks.plane(bits, index)
                if plane.any():
                    by_slice.append(thickness(plane))
    typical = [np.median(by_slice) for by_slice in found if by_slice]
    return positives, float(min(typical, default=0))


def thickness(plane: np.ndarray) -> float:
    """Return the thickness of a mask in pixels, or of what it leaves, if thinner."""
    if plane.all():
        return float(min(plane.shape))
    return min(_breadth(plane), _breadth(~plane))


def _breadth(plane: np.ndarray) -> float:
    """Return how broad a strip of the same mean distance from the other pixels is.

    A strip of b pixels has the distances 1, 2 ... b / 2 from each side.
    """
    import cv2

    pixels = plane.astype(np.uint8)
    distances = cv2.distanceTransform(pixels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return 4 * float(distances[plane].mean()) - 2
