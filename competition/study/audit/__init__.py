"""Audit a prepared data set: its fingerprint, and annotations that look wrong."""

import csv
import io
import pathlib
import shutil
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import console, files
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout
from competition.core.pages import html_page
from competition.study.audit import (
    audit_page,
    drawings,
    fingerprint,
    mask_features,
    suspects,
)
from competition.study.audit.suspect import Suspect

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("scan", "first_slice", "last_slice", "class", "reason", "words", "weight")
_SPACINGS = ["spacing_z_mm", "spacing_y_mm", "spacing_x_mm"]


def run(dataset: layout.DatasetFiles) -> dict[str, Any]:
    """Write `audit/` of a prepared data set; an audit of the same data is kept.

    Returns where the page lies, and how many suspects there are, also by reason.
    """
    table = slice_table.read(dataset.slices)
    folder = dataset.root / "audit"
    record, key = folder / "audit.json", _key(dataset)
    if record.is_file() and (held := files.read_json(record))["key"] == key:
        return dict(held["summary"])
    names = files.read_json(dataset.manifest)["classes"]
    described, found = _examine(dataset, table, names)
    of_data = fingerprint.summarise(described, names)
    picture = drawings.fingerprint(of_data)
    voxels = table.groupby("scan")[_SPACINGS].first().prod(axis=1).to_dict()
    listed = suspects.find(found, voxels, len(names))
    rows = [_row(each, table, names) for each in listed]
    files.write_json(folder / "fingerprint.json", of_data)
    files.write_bytes(folder / "fingerprint.png", picture)
    files.write_text(folder / "suspects.csv", _csv(rows))
    strips = _draw(dataset, table, listed)
    html = audit_page.render(
        dataset.root.name, of_data, rows=rows, strips=strips, picture=picture
    )
    files.write_text(folder / "audit.html", html)
    summary = {
        "audit": str(folder / "audit.html"),
        "scans": len(found),
        "suspects": len(listed),
        "reasons": dict(Counter(each.reason for each in listed)),
    }
    files.write_json(record, {"key": key, "summary": summary})
    return summary


def _key(dataset: layout.DatasetFiles) -> str:
    """A digest of the data set and of the code that looks at it."""
    here = pathlib.Path(__file__).parent
    parts = [dataset.manifest, dataset.slices, *sorted(html_page.TEMPLATES.iterdir())]
    parts += sorted(dataset.root.glob("scans/*.json")) + sorted(here.glob("*.py"))
    contents = [path.read_bytes() for path in parts if path.is_file()]
    return files.digest(b"\0".join(contents), 64)


def _examine(
    dataset: layout.DatasetFiles, table: "pd.DataFrame", names: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, mask_features.MaskFeatures]]:
    """Read every scan once and keep only what was found in it."""
    described, found = {}, {}
    for scan in progress.track(slice_table.scans(table), "audit", console=console.ERR):
        rows = table[table["scan"] == scan]
        # Opened anew for each scan, so that its pages can go with it.
        store = arrays.Arrays(dataset)
        volume, bits = np.array(store.scan(scan)), np.array(store.masks(scan))
        z, y, x = map(float, rows[_SPACINGS].iloc[0])
        described[scan] = fingerprint.describe(volume, bits, names, (z, y, x))
        numbers = _numbers(rows, scan)
        found[scan] = mask_features.collect(volume, bits, numbers, len(names))
    return described, found


def _row(
    suspect: Suspect, table: "pd.DataFrame", names: Sequence[str]
) -> dict[str, Any]:
    """A suspect by slice numbers and class names; all classes are no name."""
    numbers = _numbers(table, suspect.scan)
    every = len(suspect.classes) == len(names) > 1
    values = (
        suspect.scan,
        numbers[suspect.first],
        numbers[suspect.last],
        "" if every else " ".join(names[c] for c in suspect.classes),
        suspect.reason,
        suspect.words,
        round(suspect.weight),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _numbers(table: "pd.DataFrame", scan: str) -> list[int]:
    """The numbers of a scan's slices in their order."""
    of_scan = table[table["scan"] == scan].sort_values("index")
    return [int(number) for number in of_scan["slice"]]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _draw(
    dataset: layout.DatasetFiles, table: "pd.DataFrame", listed: Sequence[Suspect]
) -> list[np.ndarray]:
    """Write a picture of every suspect, named by rank; return the first ones."""
    store = arrays.Arrays(dataset)
    shown = []
    with files.replacing(dataset.root / "audit" / ".suspects") as folder:
        folder.mkdir()
        for rank, suspect in enumerate(listed, start=1):
            volume, bits = store.scan(suspect.scan), store.masks(suspect.scan)
            numbers = _numbers(table, suspect.scan)
            strip = drawings.strip(volume, bits, suspect, numbers)
            name = f"{rank:03d}_{suspect.scan}_{suspect.reason}.png"
            files.write_bytes(folder / name, drawings.encode(strip, ".png"))
            if rank <= audit_page.SHOWN:
                shown.append(strip)
        # A folder cannot take the place of one that is not empty.
        shutil.rmtree(dataset.root / "audit" / "suspects", ignore_errors=True)
    (dataset.root / "audit" / ".suspects").rename(dataset.root / "audit" / "suspects")
    return shown
