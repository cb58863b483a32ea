"""What was prepared, and whether it still is what lies there."""

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from competition.core import files
from competition.core.experiment import layout
from competition.prepare import scan_record

if TYPE_CHECKING:
    import pandas as pd


def unchanged(
    dataset: layout.DatasetFiles, made_with: dict[str, Any]
) -> dict[str, Any] | None:
    """The manifest, if it was made with the same and all its arrays are there."""
    if not (dataset.manifest.is_file() and dataset.slices.is_file()):
        return None
    manifest: dict[str, Any] = files.read_json(dataset.manifest)
    if not isinstance(manifest, dict):
        return None
    same = all(manifest.get(key) == value for key, value in made_with.items())
    table = zlib.crc32(dataset.slices.read_bytes())
    if not same or manifest.get("slices_crc") != table:
        return None
    try:
        found = sizes(dataset, manifest["names"])
    except (OSError, KeyError):
        return None
    return manifest if found == manifest.get("sizes") else None


def sizes(dataset: layout.DatasetFiles, names: Iterable[str]) -> list[list[int]]:
    """The bytes of both arrays of each scan."""
    return [
        [path.stat().st_size for path in (dataset.scan(name), dataset.masks(name))]
        for name in names
    ]


def amounts(
    table: "pd.DataFrame", made: dict[str, scan_record.Record]
) -> "pd.DataFrame":
    """The slices and the voxels of every class of each scan, with its case."""
    import pandas as pd

    by_scan = table.groupby("scan", sort=False)
    sizes = by_scan.agg(case=("case", "first"), slices=("id", "size"))
    return sizes.join(pd.DataFrame({name: r["voxels"] for name, r in made.items()}).T)


def summary(
    table: "pd.DataFrame", made: dict[str, scan_record.Record], classes: list[str]
) -> dict[str, Any]:
    """What was prepared: counts, and what each fold holds."""
    by_scan = amounts(table, made)
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
        "cases": int(table["case"].nunique()),
        "scans": len(by_scan),
        "slices": len(table),
        "folds": len(fold_table),
        "faulty": sorted(first.index[first["faulty"]]),
        "fold_table": fold_table,
        "names": list(first.index),
    }


def fingerprint(
    as_text: str, made: dict[str, scan_record.Record], classes: list[str]
) -> str:
    """A digest of all that a training depends on: pixels, masks, classes, folds."""
    arrays = [made[name]["arrays"] for name in sorted(made)]
    text = repr((classes, arrays)) + as_text
    return files.digest(text)
