"""Tables of masks: train.csv, sample_submission.csv, solutions, submissions."""

import csv
import dataclasses
import io
import pathlib
import sys
from collections.abc import Iterable, Iterator

from competition.core import files, problems
from competition.core.data import images


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One mask as text; `number` is its line in the file, the header being line 1."""

    number: int
    id: str
    class_name: str
    rle: str


def read(path: pathlib.Path, column: str | None) -> list[Row]:
    """Read the rows of a table with its masks in `column`; any fault is an error.

    If `column` is None, it is `segmentation` or `predicted`, whichever the table has.
    Other columns are ignored.
    """
    rows, faults = read_with_problems(path, column)
    problems.raise_if_any(faults)
    return rows


def read_with_problems(
    path: pathlib.Path, column: str | None
) -> tuple[list[Row], list[problems.Problem]]:
    """Read the rows that can be read, and return the problems of the others.

    A fault of the whole table, such as a missing column, is an error.
    """
    table = lines(path)
    _, names = next(table)
    places = _places(path, names, column)
    numbers: dict[str, dict[str, int]] = {}
    rows, faults = [], []
    for number, fields in table:
        id = fields[0]
        try:
            if len(fields) != len(names):
                raise ValueError(
                    f"expected {len(names)} fields ({', '.join(names)}), received "
                    f"{len(fields)}. Correct the row."
                )
            id, class_name, rle = (fields[place] for place in places)
            # Keep each id and class once in memory: train.csv has 115,000 rows.
            row = Row(number, sys.intern(id), sys.intern(class_name), rle)
            _check(row, numbers)
            rows.append(row)
        except ValueError as error:
            text = f"{path}, row {number}: {error}"
            faults.append(problems.Problem("rows", text, _scan_or_none(id)))
    return rows, faults


def write(
    path: pathlib.Path, rows: Iterable[Row], *, column: str = "predicted"
) -> None:
    """Write rows in one step, in their order; an empty mask is an empty field."""
    with (
        files.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("id", "class", column))
        table.writerows((row.id, row.class_name, row.rle) for row in rows)


def lines(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of a CSV, the header first, without blank lines."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Check the path.")
    try:
        text = files.read_bytes(path).decode("utf-8-sig")
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
        # An open quote ends with the file, so name the row in which it began.
        raise ValueError(
            f"{path}, row {last + 1}: not a CSV row: {error}. Correct the row."
        ) from error
    if not last:
        raise ValueError(
            f"{path}: expected a header such as id,class,predicted, received an empty "
            "file. Write it again."
        )


def _places(path: pathlib.Path, names: list[str], column: str | None) -> list[int]:
    """Return the places of id, class and mask in a row."""
    if column is None:
        present = [c for c in ("segmentation", "predicted") if c in names]
        if len(present) != 1:
            raise ValueError(
                f"{path}: expected one column of masks, `segmentation` or `predicted`. "
                f"Received: {', '.join(names)}. Keep one of them."
            )
        column = present[0]
    for name in ("id", "class", column):
        if name not in names:
            raise ValueError(
                f"{path}: column `{name}` is missing. Received: {', '.join(names)}. "
                "Add or rename it."
            )
    return [names.index(name) for name in ("id", "class", column)]


def _check(row: Row, numbers: dict[str, dict[str, int]]) -> None:
    """Check a row; `numbers` has the numbers of earlier rows, by id and class."""
    if row.id not in numbers:
        images.parse_id(row.id)
    if not row.class_name:
        raise ValueError("the class is empty. Correct the row.")
    first = numbers.setdefault(row.id, {}).setdefault(row.class_name, row.number)
    if first != row.number:
        raise ValueError(
            f"{row.id}, {row.class_name} stands already in row {first}. "
            "Remove one of them."
        )


def _scan_or_none(id: str) -> str | None:
    try:
        return images.scan_of(id)
    except ValueError:
        return None
