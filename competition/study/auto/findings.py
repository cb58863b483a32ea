"""Find the properties of prepared data by which an experiment is planned."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.study import amounts
from competition.study.auto import frames, labels

if TYPE_CHECKING:
    import pandas as pd

# Neighbouring slices are compared in so many scans, and in so many pairs of each.
JUMP_SCANS, JUMP_PAIRS = 12, 24


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The size, shape and contents of a data set.

    `depth` is the median number of slices of a scan. `whole` is the frame of its
    slices, `front` that of slices across y, and `body` that of the boxes around bodies.
    `saving` is the share of all pixels that lie outside of these boxes, and `outside`
    the share of the labelled ones. A mirror would exchange the classes `exchanged`, if
    it names any. Slices are `anisotropy` times as far apart as pixels. The thinnest
    class, or a thinner gap in a class, is about `thickness` pixels thick; 0 without any
    mask. Neighbouring slices differ `jump` times as much if a scan is scaled as a whole
    as if each slice is scaled alone; 1 if scans have one slice. `fewest` is the
    smallest number of slices that a fold trains on.
    """

    amount: amounts.Amounts
    cases: int
    depth: int
    whole: frames.Frame
    front: frames.Frame
    body: frames.Frame
    saving: float
    anisotropy: float
    outside: float
    exchanged: tuple[str, str] | None
    thickness: float
    jump: float
    fewest: int


def of(dataset: layout.DatasetFiles) -> Findings:
    """Look through the slice table and a sample of the masks of prepared data.

    The table tells sizes, spacings and folds of all scans. What masks tell is estimated
    from some of them, see `labels`.
    """
    manifest = runs.prepared(dataset)
    table = slice_table.read(dataset)
    scans = table.drop_duplicates("scan")
    spacings = scans[["spacing_y_mm", "spacing_x_mm"]].to_numpy()
    sizes = scans[["height", "width"]].to_numpy()
    ends = scans[["box_bottom", "box_right"]].to_numpy()
    bodies = ends - scans[["box_top", "box_left"]].to_numpy()
    labelled = labels.of(dataset, table, manifest["classes"])
    depths = table.groupby("scan", sort=False).size()
    # Slices across y have the rows z and the columns x.
    fronts = np.column_stack([depths, scans["width"]])
    front_spacings = scans[["spacing_z_mm", "spacing_x_mm"]].to_numpy()
    return Findings(
        amount=amounts.Amounts(
            slices=len(table),
            positives=labelled.positives,
            scans=len(scans),
            pixels=int((table["height"] * table["width"]).sum()),
            classes=len(manifest["classes"]),
            folds=manifest["folds"],
            slices_y=int(scans["height"].sum()),
            positives_y=labelled.positives_y,
        ),
        cases=table["case"].nunique(),
        depth=int(depths.median()),
        whole=frames.of(sizes, spacings),
        front=frames.of(fronts, front_spacings),
        body=frames.of(bodies, spacings),
        saving=1 - float((bodies.prod(axis=1) / sizes.prod(axis=1)).mean()),
        anisotropy=float((scans["spacing_z_mm"] / spacings.mean(axis=1)).median()),
        outside=labelled.outside,
        exchanged=labelled.exchanged,
        thickness=labelled.thickness,
        jump=_jump(dataset, table),
        fewest=len(table) - int(table.groupby("fold").size().max()),
    )


def _jump(dataset: layout.DatasetFiles, table: "pd.DataFrame") -> float:
    """Return the median jump of some scans; 1 if none has two slices."""
    store, jumps = arrays.Arrays(dataset), []
    for scan in labels.spread(slice_table.scans(table), JUMP_SCANS):
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
    pairs = labels.spread(range(len(volume) - 1), JUMP_PAIRS)

    def scaled(index: int, name: str) -> np.ndarray:
        low, high = windows[name][index]
        return ((volume[index] - low) / max(high - low, 1)).clip(0, 1)

    def difference(name: str) -> float:
        apart = (scaled(i + 1, name) - scaled(i, name) for i in pairs)
        return float(sum(np.abs(each).mean() for each in apart))

    alone = difference("slice")
    return difference("scan") / alone if alone else 1.0
