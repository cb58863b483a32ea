"""Tables of masks: train.csv, sample_submission.csv, solutions, submissions."""

import csv
import dataclasses
import io
import pathlib
import sys
from collections.abc import Iterable, Iterator

from competition.core import files, problems
from competition.core.data import images

MASK_COLUMNS = ("segmentation", "predicted")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One mask as text; `number` is its line in the file, the header being line 1."""

    number: int
    id: str
    class_name: str
    rle: str


def read(path: pathlib.Path, column: str | None) -> list[Row]:
    """Read the rows of a table whose masks stand in `column`; any fault is an error.

    None takes whichever of `segmentation` and `predicted` is there; other columns
    are passed over.
    """
    rows, faults = read_with_problems(path, column)
    problems.raise_if_any(faults)
    return rows


def read_with_problems(
    path: pathlib.Path, column: str | None
) -> tuple[list[Row], list[problems.Problem]]:
    """Read the rows that can be read, and say what is wrong with the others.

    What makes the whole table unreadable, such as a missing column, is an error.
    """
    table = lines(path)
    _, names = next(table)
    column = column or _mask_column(path, names)
    places = [_place(path, names, name) for name in ("id", "class", column)]
    seen: dict[str, dict[str, int]] = {}
    rows, faults = [], []
    for number, fields in table:
        if len(fields) != len(names):
            text = (
                f"expected {len(names)} fields ({', '.join(names)}), received "
                f"{len(fields)}. Correct the row."
            )
            faults.append(_fault(path, number, text, fields[0]))
            continue
        id, class_name, rle = (fields[place] for place in places)
        # One string a slice and class, not one a row: there are 115,000 rows.
        row = Row(number, sys.intern(id), sys.intern(class_name), rle)
        fault = _row_fault(row, seen)
        if fault:
            faults.append(_fault(path, number, fault, id))
        else:
            rows.append(row)
    return rows, faults


def write(
    path: pathlib.Path, rows: Iterable[Row], *, column: str = "predicted"
) -> None:
    """Write rows in one step, in their order; an empty mask is an empty field."""
    with files.replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("id", "class", column))
            table.writerows((row.id, row.class_name, row.rle) for row in rows)


def lines(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of a CSV, header first, blank lines left out."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Check the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected UTF-8 text, received byte {error.object[error.start]} "
            f"at position {error.start}. Save the file as UTF-8."
        ) from error
    # The default limit of 131,072 is less than a noisy mask needs.
    csv.field_size_limit(2**24)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    last = 0
    try:
        for fields in reader:
            if fields:
                last = reader.line_num
                yield last, fields
    except csv.Error as error:
        # Where it began: an open quote ends with the file.
        raise ValueError(
            f"{path}, row {last + 1}: not a CSV row: {error}. Correct the row."
        ) from error
    if not last:
        raise ValueError(
            f"{path}: expected a header such as id,class,predicted, received an empty "
            "file. Write it again."
        )


def _mask_column(path: pathlib.Path, names: list[str]) -> str:
    found = [name for name in MASK_COLUMNS if name in names]
    if len(found) != 1:
        raise ValueError(
            f"{path}: expected one column of masks, `segmentation` or `predicted`. "
            f"Received: {', '.join(names)}. Keep one of them."
        )
    return found[0]


def _place(path: pathlib.Path, names: list[str], name: str) -> int:
    if name not in names:
        raise ValueError(
            f"{path}: column `{name}` is missing. Received: {', '.join(names)}. "
            "Add or rename it."
        )
    return names.index(name)


def _row_fault(row: Row, seen: dict[str, dict[str, int]]) -> str | None:
    """Say what is wrong with a row, beside the rows `seen` before: by id and class."""
    if row.id not in seen:
        try:
            images.parse_id(row.id)
        except ValueError as error:
            return str(error)
    if not row.class_name:
        return "the class is empty. Correct the row."
    first = seen.setdefault(row.id, {}).setdefault(row.class_name, row.number)
    if first != row.number:
        return (
            f"{row.id}, {row.class_name} stands already in row {first}. "
            "Remove one of them."
        )
    return None


def _fault(path: pathlib.Path, number: int, text: str, id: str) -> problems.Problem:
    try:
        scan = images.scan_of(id)
    except ValueError:
        scan = None
    return problems.Problem("rows", f"{path}, row {number}: {text}", scan)
