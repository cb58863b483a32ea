"""Audit a prepared data set: its fingerprint, and annotations that look wrong."""

import collections
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import console, files
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout
from competition.core.pages import html_page, pictures
from competition.study.audit import checks, features, fingerprint, strips

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("scan", "first_slice", "last_slice", "class", "reason", "words", "weight")
# This many suspects have a picture on the page; table and folder have all of them.
SHOWN = 60
_SPACINGS = ["spacing_z_mm", "spacing_y_mm", "spacing_x_mm"]


def run(dataset: layout.DatasetFiles) -> dict[str, Any]:
    """Write `audit/` of a prepared data set; an audit of the same data is kept.

    Returns the path of the page and the number of suspects, also by reason.
    """
    table = slice_table.read(dataset.slices)
    folder = dataset.root / "audit"
    record, key = folder / "audit.json", _key(dataset)
    if record.is_file() and (saved := files.read_json(record))["key"] == key:
        return dict(saved["summary"])
    names = files.read_json(dataset.manifest)["classes"]
    scans, masks = _measure(dataset, table, names)
    data = fingerprint.summarise(scans, names)
    picture = fingerprint.draw(data)
    voxels_mm3 = table.groupby("scan")[_SPACINGS].first().prod(axis=1).to_dict()
    suspects = checks.find(masks, voxels_mm3)
    rows = [_row(suspect, table, names) for suspect in suspects]
    files.write_json(folder / "fingerprint.json", data)
    files.write_bytes(folder / "fingerprint.png", picture)
    files.write_text(folder / "suspects.csv", _csv(rows))
    shown = _draw(dataset, table, suspects)
    page = render(dataset.root.name, data, rows=rows, shown=shown, picture=picture)
    files.write_text(folder / "audit.html", page)
    summary = {
        "audit": str(folder / "audit.html"),
        "scans": len(scans),
        "suspects": len(suspects),
        "reasons": dict(collections.Counter(each.reason for each in suspects)),
    }
    files.write_json(record, {"key": key, "summary": summary})
    return summary


def render(
    name: str,
    data: Mapping[str, Any],
    *,
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[np.ndarray],
    picture: bytes,
) -> str:
    """Return the page; `shown` are the pictures BGR of the first rows."""
    counts = collections.Counter(row["reason"] for row in rows)
    headings = checks.REASONS.items()
    values = {
        "dataset": name,
        "print": data,
        "picture": html_page.embed(picture),
        "rows": rows,
        # Photographs: JPEG is a quarter of the PNG beside the page.
        "strips": [html_page.embed(strips.encode(s, ".jpg"), "jpeg") for s in shown],
        "reasons": checks.REASONS,
        "counts": {
            words: counts[reason] for reason, words in headings if counts[reason]
        },
        "colours": {n: pictures.class_colour(c) for c, n in enumerate(data["classes"])},
    }
    return html_page.render("audit.html", values)


def _key(dataset: layout.DatasetFiles) -> str:
    """Return a digest of the data set and of the code that audits it."""
    here = pathlib.Path(__file__).parent
    paths = [dataset.manifest, dataset.slices, *sorted(html_page.TEMPLATES.iterdir())]
    paths += sorted(dataset.root.glob("scans/*.json")) + sorted(here.glob("*.py"))
    contents = [path.read_bytes() for path in paths if path.is_file()]
    return files.digest(b"\0".join(contents), 64)


def _measure(
    dataset: layout.DatasetFiles, table: "pd.DataFrame", names: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], "pd.DataFrame"]:
    """Read every scan once: describe it, and measure its masks, one row a mask."""
    import pandas as pd

    scans, rows = {}, []
    for scan in progress.track(slice_table.scans(table), "audit", console=console.ERR):
        # Opened anew for each scan, so that its pages leave the memory with it.
        store = arrays.Arrays(dataset)
        volume, bits = np.array(store.scan(scan)), np.array(store.masks(scan))
        z, y, x = map(float, table[table["scan"] == scan][_SPACINGS].iloc[0])
        scans[scan] = fingerprint.describe(volume, bits, names, (z, y, x))
        numbers = _numbers(table, scan)
        rows += features.measure(
            scan, volume, bits, numbers=numbers, classes=len(names)
        )
    return scans, pd.DataFrame(rows)


def _row(
    suspect: checks.Suspect, table: "pd.DataFrame", names: Sequence[str]
) -> dict[str, Any]:
    """Return a suspect by slice numbers and class names; all classes are ""."""
    numbers = _numbers(table, suspect.scan)
    all_classes = len(suspect.classes) == len(names) > 1
    values = (
        suspect.scan,
        numbers[suspect.first],
        numbers[suspect.last],
        "" if all_classes else " ".join(names[c] for c in suspect.classes),
        suspect.reason,
        suspect.words,
        round(suspect.weight),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _numbers(table: "pd.DataFrame", scan: str) -> list[int]:
    """Return the numbers of a scan's slices in their order."""
    slices = table[table["scan"] == scan].sort_values("index")
    return [int(number) for number in slices["slice"]]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False)


def _draw(
    dataset: layout.DatasetFiles,
    table: "pd.DataFrame",
    suspects: Sequence[checks.Suspect],
) -> list[np.ndarray]:
    """Write a picture of every suspect, named by rank; return the first ones."""
    store = arrays.Arrays(dataset)
    shown = []
    with files.replacing(dataset.root / "audit" / ".suspects") as folder:
        folder.mkdir()
        for rank, suspect in enumerate(suspects, start=1):
            volume, bits = store.scan(suspect.scan), store.masks(suspect.scan)
            strip = strips.draw(volume, bits, suspect, _numbers(table, suspect.scan))
            name = f"{rank:03d}_{suspect.scan}_{suspect.reason}.png"
            files.write_bytes(folder / name, strips.encode(strip, ".png"))
            if rank <= SHOWN:
                shown.append(strip)
        # A folder cannot take the place of one that is not empty.
        shutil.rmtree(dataset.root / "audit" / "suspects", ignore_errors=True)
    (dataset.root / "audit" / ".suspects").rename(dataset.root / "audit" / "suspects")
    return shown
