"""What a sample of the masks of prepared data tells about its classes."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import typing_extensions

from competition.core import files, geometry, masks
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout
from competition.study.auto import sides

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
# Masks are read of so many scans, or of more where these have fewer slices than that.
SCANS, SLICES = 40, 480


class _Record(typing_extensions.TypedDict):
    """The entry of a scan's record that tells the voxels of each class."""

    voxels: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Labels:
    """About how many slices have a mask, and what the masks are like.

    `positives` are slices across z, `positives_y` across y.
    `outside` is the share of the labelled pixels that lie outside of the boxes around
    bodies. The thinnest class, or a thinner gap in a class, is about `thickness` pixels
    thick. Both are 0 without any mask. `exchanged` are two classes that a mirror would
    exchange, if there are any.
    """

    positives: int
    positives_y: int
    outside: float
    thickness: float
    exchanged: tuple[str, str] | None


def of(
    dataset: layout.DatasetFiles, table: "pd.DataFrame", classes: Sequence[str]
) -> Labels:
    """Look through a sample of the scans that have masks by their record.

    Slices with a mask are counted in SCANS scans or more, and the thickness is measured
    in about SLICES slices of these; both are spread evenly.
    """
    in_scan = table["scan"].value_counts(sort=False).to_dict()
    annotated = [scan for scan in in_scan if _is_annotated(dataset, scan)]
    slices = sum(in_scan[scan] for scan in annotated)
    depth = slices / max(1, len(annotated))
    sample = spread(annotated, max(SCANS, math.ceil(SLICES / max(1, depth))))
    store, spacings = arrays.Arrays(dataset), slice_table.spacings(table)
    boxes = {scan: _body(grid) for scan, grid in slice_table.grids(table).items()}
    positives = positives_y = rows = pixels = inside = 0
    found: list[list[float]] = [[] for _ in classes]
    places = []
    for scan in sample:
        volume = store.masks(scan)
        pixels += np.count_nonzero(volume)
        inside += np.count_nonzero(volume[:, *boxes[scan].slices])
        filled = [index for index, bits in enumerate(volume) if bits.any()]
        positives += len(filled)
        positives_y += np.count_nonzero(volume.any(axis=(0, 2)))
        rows += volume.shape[1]
        moments = np.zeros((len(classes), 4))
        for number in spread(filled, math.ceil(SLICES / len(sample))):
            for index, by_slice in enumerate(found):
                plane = masks.plane(volume[number], index)
                if plane.any():
                    by_slice.append(thickness(plane))
                    moments[index] += sides.moments(plane, number)
        places.append(sides.places(moments, boxes[scan], spacings[scan]))
    typical = [np.median(by_slice) for by_slice in found if by_slice]
    share = positives / max(1, sum(in_scan[scan] for scan in sample))
    heights = table.drop_duplicates("scan").set_index("scan")["height"]
    slices_y = int(heights.loc[annotated].sum())
    pair = sides.exchanged(places)
    return Labels(
        positives=round(share * slices),
        positives_y=round(positives_y / max(1, rows) * slices_y),
        outside=1 - inside / pixels if pixels else 0.0,
        thickness=float(min(typical, default=0)),
        exchanged=pair and (classes[pair[0]], classes[pair[1]]),
    )


def _body(grid: geometry.Grid) -> geometry.Box:
    """Return the box around the body, or the whole slice."""
    return grid.body or geometry.Box(0, grid.shape[0], 0, grid.shape[1])


def _is_annotated(dataset: layout.DatasetFiles, scan: str) -> bool:
    """Return whether a scan has any mask by its record, which older data lack."""
    path = dataset.record(scan)
    if not files.exists(path):
        return True
    record: _Record = files.read_json(path, _Record, remedy="Prepare the data again.")
    return any(record["voxels"])


def spread(values: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the values, spread evenly, the first and last too."""
    count = min(most, len(values))
    places = np.linspace(0, len(values) - 1, count).round().astype(int)
    return [values[place] for place in places]


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
