"""NIfTI or DICOM volumes with label volumes become a competition folder.

`geometry.json` in the folder keeps the geometry that PNG slices cannot hold. `restore`
is the way back.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

from competition.core import console, files
from competition.core.data import mask_csv
from competition.core.experiment import layout
from competition.sources.convert import label_names, label_volumes, levels, pairs, scans

# Masks as text by slice and label value; empty ones are left out.
Texts = dict[tuple[str, int], str]


def write(
    images: pathlib.Path,
    labels: pathlib.Path,
    *,
    out: pathlib.Path,
    test: pathlib.Path | None = None,
    axis: str = "z",
    window: levels.Window | None = None,
) -> dict[str, Any]:
    """Convert volumes under `images` and `labels`; return what `out` then holds.

    Every volume is a case with day 0, numbered by name; those under `test` follow and
    have no labels. Slices lie along the anatomical `axis`, see `frames`; of the
    intensities a `window` (centre, width) is kept.
    """
    _check_new(out)
    if window:
        levels.check(window)
    planned = pairs.find(images, labels, test)
    named = label_names.read(labels, images)
    texts: Texts = {}
    records: dict[str, dict[str, Any]] = {}
    with files.replacing(out) as folder:
        for pair in console.track(planned, "convert"):
            records[pair.scan], scan_texts = scans.convert(folder, pair, axis, window)
            if pair.label and named:
                values = {value for _, value in scan_texts}
                label_names.check(pair.label, values, named)
            texts |= scan_texts
        values = {value for _, value in texts}
        names = label_names.complete(named, values, labels)
        for part, table, column in (
            ("train", "train.csv", "segmentation"),
            ("test", "sample_submission.csv", "predicted"),
        ):
            rows = _rows(records, part, texts, names)
            mask_csv.write(folder / table, rows, column=column)
        classes = {name: value for value, name in names.items()}
        sidecar = {"axis": axis, "classes": classes, "scans": records}
        files.write_sealed(folder / layout.GEOMETRY, sidecar)
    parts = [record["part"] for record in records.values()]
    return {
        "train": parts.count("train"),
        "test": parts.count("test"),
        "slices": sum(record["slices"] for record in records.values()),
        "classes": sorted(classes),
    }


def restore(
    masks: pathlib.Path, *, data: pathlib.Path, out: pathlib.Path
) -> dict[str, Any]:
    """Write the masks of a submission or train.csv as label volumes into `out`.

    `data` is the converted folder; see `label_volumes.write`.
    """
    _check_new(out)
    return label_volumes.write(masks, data=data, out=out)


def _check_new(out: pathlib.Path) -> None:
    """Refuse an output folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out} exists already. Name a new folder as `out`, or remove this one."
        )


def _rows(
    records: dict[str, dict[str, Any]], part: str, texts: Texts, names: dict[int, str]
) -> Iterator[mask_csv.Row]:
    """Yield a row for each slice and class of a part, with or without a mask."""
    by_name = sorted((name, value) for value, name in names.items())
    for scan, record in records.items():
        if record["part"] == part:
            for index in range(record["slices"]):
                id = scans.slice_id(scan, index)
                for name, value in by_name:
                    yield mask_csv.Row(0, id, name, texts.get((id, value), ""))
