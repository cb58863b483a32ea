"""Step 6: check whether Kaggle would accept a file; list and repair its faults."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from competition.core import files, rle
from competition.core.data import images, mask_csv, png

COLUMNS = ["id", "class", "predicted"]
# Other programs write these names for an empty mask.
_EMPTY_NAMES = {"nan", "none", "null", "na", "n/a", "<na>"}
_BOM = b"\xef\xbb\xbf"


class RowFault(NamedTuple):
    """The fault of a row, and what the repair does; None if no repair is safe."""

    row: int
    text: str
    repair: str | None = None


def run(
    submission: pathlib.Path, *, data: pathlib.Path, fix: pathlib.Path | None = None
) -> dict[str, Any]:
    """List the faults of `submission` as {"ok", "faults": [{"row", "fault"}], "rows"}.

    Row 1 is the header; faults of the file as a whole are listed there too. With `fix`
    a repaired copy is written to that path, and "repairs" says what was changed. If a
    fault cannot be repaired safely, no copy is written; only such faults are listed.
    """
    sample_path = data / "sample_submission.csv"
    if not sample_path.is_file():
        raise ValueError(
            f"{sample_path}: not found. The ids and their order come from it; copy it "
            "from the competition's files."
        )
    sample = mask_csv.read(sample_path, "predicted")
    if fix and fix.is_dir():
        raise ValueError(
            f"{fix}: expected the path of a file, received a folder. Give one in it as "
            f"`fix`, such as {fix / 'fixed.csv'}."
        )
    rows, count, faults = _check(submission, sample, data)
    if fix and all(fault.repair for fault in faults):
        # This reads the submission before the copy, which may replace it, is written.
        repairs = _repairs(submission, rows, faults)
        masks = {_key(row): _mended(row) for row in rows}
        filled = (
            dataclasses.replace(row, rle=masks.get(_key(row), "")) for row in sample
        )
        mask_csv.write(fix, filled)
        fixed = {"ok": True, "faults": [], "rows": len(sample), "fixed": str(fix)}
        return fixed | {"repairs": repairs}
    if fix:
        faults = [fault for fault in faults if not fault.repair]
    listed = [{"row": fault.row, "fault": fault.text} for fault in faults]
    return {"ok": not faults, "faults": listed, "rows": count}


def _check(
    path: pathlib.Path, sample: list[mask_csv.Row], data: pathlib.Path
) -> tuple[list[mask_csv.Row], int, list[RowFault]]:
    """Return the rows that can be read, the number of all rows, and all faults."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Check the path of the submission.")
    try:
        (_, header), *table = mask_csv.lines(path)
    except ValueError as error:
        return [], 0, [RowFault(1, str(error))]
    faults = [*_header_faults(path, header)]
    names = [name.strip() for name in header]
    rows: list[mask_csv.Row] = []
    if all(names.count(name) == 1 for name in COLUMNS):
        places = [names.index(name) for name in COLUMNS]
        for number, fields in table:
            if len(fields) == len(names):
                rows.append(mask_csv.Row(number, *(fields[place] for place in places)))
            else:
                text = f"expected {len(names)} fields, received {len(fields)}."
                faults.append(RowFault(number, text))
        faults += [*_mask_faults(rows, data), *_key_faults(rows, sample)]
    return rows, len(table), sorted(faults, key=lambda fault: fault.row)


def _header_faults(path: pathlib.Path, names: list[str]) -> Iterator[RowFault]:
    with path.open("rb") as file:
        if file.read(3) == _BOM:
            text = "a byte order mark stands before the header; save as plain UTF-8."
            yield RowFault(1, text, "removed the byte order mark")
    received = f"Expected {','.join(COLUMNS)}; received {','.join(names)}."
    stripped = [name.strip() for name in names]
    if stripped != names:
        text = f"spaces stand around the names of the columns. {received}"
        yield RowFault(1, text, "removed the spaces around the names of the columns")
    missing = [name for name in COLUMNS if name not in stripped]
    has_index = stripped[0] in ("", "Unnamed: 0", "index")
    extra = [name for name in stripped[has_index:] if name not in COLUMNS]
    if missing:
        yield RowFault(1, f"column {', '.join(missing)} is missing. {received}")
    if twice := [name for name in COLUMNS if stripped.count(name) > 1]:
        yield RowFault(1, f"column {', '.join(twice)} stands twice. {received}")
    if has_index:
        text = f"an index column stands first; write without it. {received}"
        yield RowFault(1, text, "removed the index column")
    if extra:
        text = f"column {', '.join(extra)} is not of the competition. {received}"
        yield RowFault(1, text, f"removed column {', '.join(extra)}")
    elif not (missing or twice or has_index) and stripped != COLUMNS:
        text = f"the columns stand in another order. {received}"
        yield RowFault(1, text, "put the columns in order")


def _mask_faults(rows: list[mask_csv.Row], data: pathlib.Path) -> Iterator[RowFault]:
    """Yield the faults of the RLEs; without its image, an RLE may end anywhere."""
    # Problems of the test folder are no faults of the submission.
    slices, _ = images.find_with_problems(data, "test")
    by_id = {image.id: image for image in slices}

    @functools.lru_cache(maxsize=1)
    def size(id: str) -> int | None:
        if id not in by_id:
            return None
        try:
            height, width = png.shape(data / by_id[id].path)
        except (ValueError, OSError):
            height, width = by_id[id].shape
        return height * width

    for row in rows:
        if _is_empty_name(row.rle):
            text = f"the mask is the text {row.rle!r}; leave it empty."
            yield RowFault(row.number, text, f"emptied the mask {row.rle!r}")
        elif row.rle:
            pixels = size(row.id.strip())
            if reason := rle.fault(row.rle, pixels):
                legal = rle.mend(row.rle, pixels) is not None
                repair = f"wrote the same mask anew: {reason}" if legal else None
                yield RowFault(row.number, f"the RLE is not legal: {reason}", repair)


def _key_faults(
    rows: list[mask_csv.Row], sample: list[mask_csv.Row]
) -> Iterator[RowFault]:
    """Yield rows that are unknown, repeated, out of the sample's order, or missing."""
    places = {(row.id, row.class_name): row.number for row in sample}
    first_rows: dict[tuple[str, str], mask_csv.Row] = {}
    last = 0
    for row in rows:
        key = _key(row)
        name = ", ".join(key)
        if key != (row.id, row.class_name):
            text = f"spaces stand around the id or the class of {name}."
            yield RowFault(row.number, text, "removed the spaces around id and class")
        if key not in places:
            yield RowFault(row.number, f"{name} is not in sample_submission.csv.")
            continue
        first = first_rows.setdefault(key, row)
        if first is not row:
            text = f"{name} stands already in row {first.number}."
            same = _mended(row) == _mended(first)
            repair = "removed the row, equal to the earlier one" if same else None
            yield RowFault(row.number, text, repair)
            continue
        if places[key] < last:
            where = f"row {places[key]} of sample_submission.csv"
            text = f"{name} is out of order: {where}."
            yield RowFault(row.number, text, f"moved to {where}")
        last = places[key]
    if len(rows) != len(sample):
        text = f"expected {len(sample)} rows below the header, received {len(rows)}."
        yield RowFault(1, text, "made the rows those of sample_submission.csv")
    for key, number in places.items():
        if key not in first_rows:
            text = f"{', '.join(key)} is missing; it belongs in this row."
            yield RowFault(number, text, f"added {', '.join(key)} with an empty mask")


def _repairs(
    path: pathlib.Path, rows: list[mask_csv.Row], faults: list[RowFault]
) -> list[dict[str, Any]]:
    """Return the changes of the repair by row, also those of legal rows."""
    repairs = [(fault.row, fault.repair) for fault in faults]
    if b"\r" in files.read_bytes(path):
        repairs.append((1, "wrote Unix line ends"))
    for row in rows:
        if row.rle != _mended(row) and not _is_empty_name(row.rle):
            if not rle.fault(row.rle):
                repairs.append((row.number, "merged runs that touch"))
    repairs.sort(key=lambda repair: repair[0])
    return [{"row": row, "repair": text} for row, text in repairs]


def _key(row: mask_csv.Row) -> tuple[str, str]:
    return row.id.strip(), row.class_name.strip()


def _mended(row: mask_csv.Row) -> str:
    """Return the mask as simple, legal text; an unreadable mask stays as it is."""
    mended = "" if _is_empty_name(row.rle) else rle.mend(row.rle)
    return row.rle if mended is None else mended


def _is_empty_name(text: str) -> bool:
    return text.strip().lower() in _EMPTY_NAMES
