"""The manifest of a prepared data set, and whether the data set agrees with it."""

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from competition.core import files
from competition.core.data import slice_table
from competition.core.experiment import layout
from competition.prepare import scan_record

if TYPE_CHECKING:
    import pandas as pd

Records = dict[str, scan_record.Record]


def unchanged(
    dataset: layout.DatasetFiles, made_with: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the manifest if it has the values `made_with` and all arrays are whole."""
    try:
        manifest: dict[str, Any] = files.read_json(dataset.manifest)
        sizes = [scan_record.sizes(dataset, scan) for scan in manifest["names"]]
        same = (
            all(manifest[key] == value for key, value in made_with.items())
            and not manifest.get("unfinished")
            and manifest["slices_crc"] == zlib.crc32(files.read_bytes(dataset.slices))
            and manifest["sizes"] == sizes
        )
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, damaged, or written by another version.
        return None
    return manifest if same else None


def begin(dataset: layout.DatasetFiles, scans: Iterable[str]) -> None:
    """Mark a data set as unfinished, so that no step uses it until `prepare` ends.

    A manifest that names none of `scans`, which are to be made, stays as it is.
    """
    try:
        before: dict[str, Any] = files.read_json(dataset.manifest, dict)
    except (OSError, ValueError):
        # There is no manifest, or none that a step would accept.
        return
    if not {*before.get("names", [])}.isdisjoint(scans):
        files.write_sealed(dataset.manifest, before | {"unfinished": True})


def amounts(table: "pd.DataFrame", records: Records) -> "pd.DataFrame":
    """Return the case, the slices and the voxels of every class of each scan."""
    import pandas as pd

    by_scan = table.groupby("scan", sort=False)
    counts = by_scan.agg(case=("case", "first"), slices=("id", "size"))
    voxels = {scan: record["voxels"] for scan, record in records.items()}
    return counts.join(pd.DataFrame(voxels).T)


def summary(
    table: "pd.DataFrame", records: Records, classes: list[str]
) -> dict[str, Any]:
    """Return the counts of a data set and of each fold, and the names of the scans."""
    by_scan = amounts(table, records)
    first = table.groupby("scan", sort=False).first()
    fold_table = [
        {
            "fold": int(fold),
            "cases": int(part["case"].nunique()),
            "scans": len(part),
            "slices": int(part["slices"].sum()),
            "voxels": {name: int(part[c].sum()) for c, name in enumerate(classes)},
        }
        for fold, part in by_scan.groupby(first["fold"])
    ]
    return {
        "classes": classes,
        "exclusive": len(classes) > 1
        and not any(record["overlaps"] for record in records.values()),
        "cases": int(table["case"].nunique()),
        "scans": len(by_scan),
        "slices": len(table),
        "folds": len(fold_table),
        "body_saving": _saving(first),
        "faulty": sorted(first.index[first["faulty"]]),
        "fold_table": fold_table,
        "names": list(first.index),
    }


def _saving(first: "pd.DataFrame") -> float:
    """Return the mean share of pixels that lie outside the box around the body."""
    top, bottom, left, right = (first[name] for name in slice_table.BOX)
    inside = (bottom - top) * (right - left) / (first["height"] * first["width"])
    return round(float(1 - inside.mean()), 4)


def fingerprint(table: "pd.DataFrame", records: Records, classes: list[str]) -> str:
    """Return a digest of everything a training uses: pixels, masks, classes, folds."""
    arrays = [records[scan]["arrays"] for scan in sorted(records)]
    # Without boxes: they follow from the pixels, and older tables have none.
    columns = [name for name in slice_table.COLUMNS if name not in slice_table.BOX]
    return files.digest(repr((classes, arrays)) + table[columns].to_csv(index=False))
