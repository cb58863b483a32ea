"""The slice table: one row for each training slice; later steps read it."""

import io
import pathlib
import zlib
from typing import TYPE_CHECKING, Any

from competition.core import files, geometry
from competition.core.experiment import layout

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "id": str,
    "case": int,
    "day": int,
    "slice": int,
    "scan": str,
    "index": int,
    "path": str,
    "height": int,
    "width": int,
    "spacing_x_mm": float,
    "spacing_y_mm": float,
    "spacing_z_mm": float,
    "low": float,
    "high": float,
    "scan_low": float,
    "scan_high": float,
    "box_top": int,
    "box_bottom": int,
    "box_left": int,
    "box_right": int,
    "fold": int,
    "faulty": bool,
}
BOX = ["box_top", "box_bottom", "box_left", "box_right"]


def write(path: pathlib.Path, table: "pd.DataFrame") -> str:
    """Write the table with the columns in their order, and return the text."""
    text = table[list(COLUMNS)].to_csv(index=False)
    files.write_text(path, text)
    return text


def read(dataset: layout.DatasetFiles) -> "pd.DataFrame":
    """Read the table, and check that it is the one that `prepare` wrote.

    The table says which scans a fold trains on: with another table a network could be
    scored on scans that it was trained on.
    """
    import pandas as pd

    path = dataset.slices
    files.require(path, "prepare", fault="no slice table")
    content = files.read_bytes(path)
    manifest: dict[str, Any] = {}
    if files.exists(dataset.manifest):
        manifest = files.read_json(dataset.manifest, dict, remedy="Prepare again.")
    # Older manifests have no checksum.
    if manifest.get("slices_crc") not in (None, zlib.crc32(content)):
        raise ValueError(
            f"{path} is not the table that {dataset.manifest.name} was written with: "
            "their checksums differ. Prepare the data again; for folds of your own "
            "give `prepare` a file of them."
        )
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=COLUMNS)
        folds = table.groupby("case")["fold"].nunique()
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Prepare the data again."
        ) from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}: an older version wrote it. "
            "Prepare the data again; trained runs can still be used."
        )
    if (folds > 1).any():
        raise ValueError(
            f"{path}: case {folds.idxmax()} stands in {folds.max()} folds, so that it "
            "would be trained on and scored. Delete the file and prepare again."
        )
    return table


def training(table: "pd.DataFrame", fold: layout.Fold) -> "pd.DataFrame":
    """Return the slices that `fold` trains on: all other folds, without faulty ones."""
    return table[(table["fold"] != fold) & ~table["faulty"]].reset_index(drop=True)


def held_out(table: "pd.DataFrame", fold: layout.Fold) -> "pd.DataFrame":
    """Return the slices that `fold` is scored on, without faulty ones."""
    return table[(table["fold"] == fold) & ~table["faulty"]].reset_index(drop=True)


def scans(table: "pd.DataFrame") -> list[str]:
    """Return the scans of a table in the order of its rows."""
    return list(table["scan"].unique())


def grids(table: "pd.DataFrame") -> dict[str, geometry.Grid]:
    """Return the grid of each scan of a table."""
    first = table.groupby("scan", sort=False).first()
    return {
        str(scan): geometry.Grid(
            (row["height"], row["width"]),
            (row["spacing_y_mm"], row["spacing_x_mm"]),
            geometry.Box(*(row[name] for name in BOX)),
        )
        for scan, row in first.to_dict("index").items()
    }


def spacings(table: "pd.DataFrame") -> dict[str, tuple[float, float, float]]:
    """Return the distances (z, y, x) of voxels in mm, by scan."""
    columns = ["spacing_z_mm", "spacing_y_mm", "spacing_x_mm"]
    first = table.groupby("scan", sort=False)[columns].first()
    return {str(scan): (z, y, x) for scan, z, y, x in first.itertuples()}


def windows(table: "pd.DataFrame", intensity: str) -> "np.ndarray":
    """Return the (low, high) of each slice (N, 2): its own, or those of its scan."""
    columns = {"slice": ["low", "high"], "scan": ["scan_low", "scan_high"]}
    return table[columns[intensity]].to_numpy("float32")


def held_out_scans(table: "pd.DataFrame", folds: list[layout.Fold]) -> list[str]:
    """Return the scans that the folds hold out, fold by fold."""
    return [scan for fold in folds for scan in scans(held_out(table, fold))]
