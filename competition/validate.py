"""Step 6: would Kaggle accept this file? Every fault with its row."""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

from competition.core import images, rle, submission

COLUMNS = ["id", "class", "predicted"]
# What other programs write for an empty mask.
_NAMES_OF_NOTHING = {"nan", "none", "null", "na", "n/a", "<na>"}

Fault = tuple[int, str]
Line = tuple[int, list[str]]


def run(submission: pathlib.Path, *, data: pathlib.Path) -> dict[str, Any]:
    """List the faults of `submission` as {"ok", "faults": [{"row", "fault"}], "rows"}.

    Row 1 is the header, and stands for a file that cannot be read as a whole.
    """
    sample = _sample(data)
    header, table, faults = _read(submission)
    faults += _header(header) if header else []
    if set(COLUMNS) <= set(header):
        rows = _rows(header, table)
        faults += [
            *_fields(header, table),
            *_masks(rows, data),
            *_keys(rows, sample),
        ]
    return {
        "ok": not faults,
        "faults": [{"row": row, "fault": fault} for row, fault in sorted(faults)],
        "rows": len(table),
    }


def _sample(data: pathlib.Path) -> list[submission.Row]:
    path = data / "sample_submission.csv"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. The ids and their order come from it; copy it from "
            "the competition's files."
        )
    return submission.read(path, "predicted")


def _read(path: pathlib.Path) -> tuple[list[str], list[Line], list[Fault]]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Check --submission.")
    try:
        (_, header), *table = submission.lines(path)
    except ValueError as error:
        return [], [], [(1, str(error))]
    return header, table, []


def _header(names: list[str]) -> Iterator[Fault]:
    if names == COLUMNS:
        return
    received = f"Expected {','.join(COLUMNS)}; received {','.join(names)}."
    missing = [name for name in COLUMNS if name not in names]
    extra = [name for name in names if name not in COLUMNS]
    if missing:
        yield 1, f"column {', '.join(missing)} is missing. {received}"
    if names[0] in ("", "Unnamed: 0", "index"):
        yield 1, f"an index column stands first; write without it. {received}"
    elif extra:
        yield 1, f"column {', '.join(extra)} is not of the competition. {received}"
    if not missing and not extra:
        yield 1, f"the columns stand in another order, or twice. {received}"


def _rows(header: list[str], table: list[Line]) -> list[submission.Row]:
    """The rows that have all their fields."""
    places = [header.index(name) for name in COLUMNS]
    return [
        submission.Row(number, *(fields[place] for place in places))
        for number, fields in table
        if len(fields) == len(header)
    ]


def _fields(header: list[str], table: list[Line]) -> Iterator[Fault]:
    for number, fields in table:
        if len(fields) != len(header):
            yield number, f"expected {len(header)} fields, received {len(fields)}."


def _masks(rows: list[submission.Row], data: pathlib.Path) -> Iterator[Fault]:
    """Faults of the RLEs; without an image a run may end anywhere."""
    paths = {image.id: data / image.path for image in images.find(data, "test")}

    @functools.lru_cache(maxsize=1)
    def size(id: str) -> int | None:
        if id not in paths:
            return None
        height, width = images.shape(paths[id])
        return height * width

    for row in rows:
        if row.rle.strip().lower() in _NAMES_OF_NOTHING:
            yield row.number, f"the mask is the text {row.rle!r}; leave it empty."
        elif row.rle:
            reason = rle.fault(row.rle, size(row.id))
            if reason:
                yield row.number, f"the RLE is not legal: {reason}"


def _keys(rows: list[submission.Row], sample: list[submission.Row]) -> Iterator[Fault]:
    """Rows that are unknown, repeated, out of the sample's order, or missing."""
    place = {(row.id, row.class_name): row.number for row in sample}
    seen: dict[tuple[str, str], int] = {}
    last = 0
    for row in rows:
        key = row.id, row.class_name
        if key not in place:
            yield row.number, f"{', '.join(key)} is not in sample_submission.csv."
        elif key in seen:
            yield row.number, f"{', '.join(key)} stands already in row {seen[key]}."
        else:
            seen[key] = row.number
            if place[key] < last:
                yield (
                    row.number,
                    (
                        f"{', '.join(key)} is out of order: row {place[key]} of "
                        "sample_submission.csv."
                    ),
                )
            last = place[key]
    for key, number in place.items():
        if key not in seen:
            yield number, f"{', '.join(key)} is missing; it belongs in this row."
