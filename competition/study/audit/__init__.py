"""Audit a prepared data set: its fingerprint, and annotations that look wrong."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd
import typing_extensions

from competition.core import console, files
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.core.pages import findings, html_page
from competition.study.audit import checks, features, fingerprint, strips

# This many suspects have a picture on the page; table and folder have all of them.
SHOWN = 60


class _Record(typing_extensions.TypedDict):
    """The contents of audit.json: what an audit was made of, and its summary."""

    key: str
    fingerprint: typing_extensions.NotRequired[str]
    summary: dict[str, Any]


def run(dataset: layout.DatasetFiles) -> dict[str, Any]:
    """Write `audit/` of a prepared data set; an audit of the same data is kept.

    Returns the path of the page and the number of suspects, also by reason.
    """
    table = slice_table.read(dataset)
    folder = dataset.root / "audit"
    record, key = folder / "audit.json", _key(dataset)
    if record.is_file():
        saved: _Record = files.read_json(record, _Record)
        if saved["key"] == key and _is_whole(folder, saved["summary"]):
            return saved["summary"]
    prepared = runs.prepared(dataset)
    # A call that is killed from here on leaves no audit, not one without pictures.
    files.remove(record)
    names = prepared["classes"]
    numbers = table.sort_values("index").groupby("scan")["slice"].agg(list).to_dict()
    scans, masks = _measure(dataset, table, names, numbers)
    data = fingerprint.summarise(scans, names)
    suspects = checks.find(masks)
    rows = [_row(suspect, names) for suspect in suspects]
    files.write_json(folder / "fingerprint.json", data)
    listed = pd.DataFrame(rows, columns=findings.COLUMNS).to_csv(index=False)
    files.write_text(folder / "suspects.csv", listed)
    _draw(dataset, suspects, numbers)
    found = findings.read(folder, shown=SHOWN)
    values = {"dataset": dataset.root.name, "findings": found}
    files.write_text(folder / "audit.html", html_page.render("audit.html", values))
    summary = {
        "audit": str(folder / "audit.html"),
        "scans": len(scans),
        "suspects": len(suspects),
        "reasons": dict(collections.Counter(each.reason for each in suspects)),
    }
    about = {"key": key, "fingerprint": prepared["fingerprint"]}
    files.write_sealed(record, about | {"summary": summary})
    return summary


def _is_whole(folder: pathlib.Path, summary: Mapping[str, Any]) -> bool:
    """Return whether all files of an audit are there: its tables, page and pictures."""
    names = "fingerprint.json", "suspects.csv", "audit.html"
    pictures = [*folder.glob("suspects/*.png")]
    has_tables = all(files.exists(folder / name) for name in names)
    return has_tables and len(pictures) == summary.get("suspects")


def _key(dataset: layout.DatasetFiles) -> str:
    """Return a digest of the data set and of the code that audits it."""
    here = pathlib.Path(__file__).parent
    paths = [dataset.manifest, dataset.slices, *html_page.templates()]
    paths += sorted(dataset.root.glob("scans/*.json")) + sorted(here.glob("*.py"))
    contents = [files.read_bytes(path) for path in paths if path.is_file()]
    return files.digest(b"\0".join(contents), 64)


def _measure(
    dataset: layout.DatasetFiles,
    table: pd.DataFrame,
    names: Sequence[str],
    numbers: Mapping[str, list[int]],
) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Read every scan once: describe it, and measure its masks, one row a mask."""
    scans, rows = {}, []
    spacings = slice_table.spacings(table)
    for scan in console.track(slice_table.scans(table), "audit"):
        # Open the arrays for each scan, so that its pages are freed after it.
        store = arrays.Arrays(dataset)
        volume, bits = np.array(store.scan(scan)), np.array(store.masks(scan))
        scans[scan] = fingerprint.describe(volume, bits, names, [*spacings[scan]])
        rows += features.measure(scan, volume, bits, numbers[scan], len(names))
    return scans, pd.DataFrame(rows)


def _row(suspect: checks.Suspect, names: Sequence[str]) -> dict[str, Any]:
    """Return the row of a suspect in the table; its class is "" for all classes."""
    is_all = len(suspect.classes) == len(names) > 1
    return {
        "scan": suspect.scan,
        "first_slice": suspect.first,
        "last_slice": suspect.last,
        "class": "" if is_all else " ".join(names[c] for c in suspect.classes),
        "reason": suspect.reason,
        "words": suspect.words,
        "weight": round(suspect.weight),
    }


def _draw(
    dataset: layout.DatasetFiles,
    suspects: Sequence[checks.Suspect],
    numbers: Mapping[str, list[int]],
) -> None:
    """Write a picture of every suspect."""
    store, folder = arrays.Arrays(dataset), dataset.root / "audit"
    files.remove(folder / "suspects")
    for rank, suspect in enumerate(suspects, start=1):
        volume, bits = store.scan(suspect.scan), store.masks(suspect.scan)
        strip = strips.draw(volume, bits, suspect, numbers[suspect.scan])
        path = findings.picture(folder, rank, dataclasses.asdict(suspect))
        files.write_bytes(path, cv2.imencode(".png", strip)[1].tobytes())
