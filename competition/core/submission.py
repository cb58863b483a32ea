"""Tables of masks: train.csv, sample_submission.csv, solutions, submissions."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Iterable

from competition.core import files, images

MASK_COLUMNS = ("segmentation", "predicted")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One mask as text; `number` is its line in the file, the header being line 1."""

    number: int
    id: str
    class_name: str
    rle: str


def read(path: pathlib.Path, column: str | None) -> list[Row]:
    """Read the rows of a table whose masks stand in `column`.

    None takes whichever of `segmentation` and `predicted` is there; other columns
    are passed over.
    """
    header, *table = lines(path)
    names = header[1]
    column = column or _mask_column(path, names)
    places = [_place(path, names, name) for name in ("id", "class", column)]
    seen: dict[tuple[str, str], int] = {}
    rows = []
    for number, fields in table:
        if len(fields) != len(names):
            raise ValueError(
                f"{path}, row {number}: expected {len(names)} fields "
                f"({', '.join(names)}), received {len(fields)}. Correct the row."
            )
        row = Row(number, *(fields[place] for place in places))
        _check_id(path, row)
        first = seen.setdefault((row.id, row.class_name), number)
        if first != number:
            raise ValueError(
                f"{path}, row {number}: {row.id}, {row.class_name} stands already in "
                f"row {first}. Remove one of them."
            )
        rows.append(row)
    return rows


def write(
    path: pathlib.Path, rows: Iterable[Row], *, column: str = "predicted"
) -> None:
    """Write rows in one step, in their order; an empty mask is an empty field."""
    with files.replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("id", "class", column))
            table.writerows((row.id, row.class_name, row.rle) for row in rows)


def lines(path: pathlib.Path) -> list[tuple[int, list[str]]]:
    """Read a CSV as (line number, fields), header first, blank lines left out."""
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
    try:
        table = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ValueError(
            f"{path}, row {reader.line_num}: not a CSV row: {error}. Correct the row."
        ) from error
    if not table:
        raise ValueError(
            f"{path}: expected a header such as id,class,predicted, received an empty "
            "file. Write it again."
        )
    return table


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


def _check_id(path: pathlib.Path, row: Row) -> None:
    try:
        images.parse_id(row.id)
    except ValueError as error:
        raise ValueError(f"{path}, row {row.number}: {error}") from error
