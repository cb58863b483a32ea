"""The table of the ledger, ledger.csv: one row for each kept experiment."""

import csv
import dataclasses
import io
import pathlib
from typing import Any

from competition.core import files

# The scores that our own validation gives, and those that the leaderboard shows.
READINGS = ("score_per_class", "score_merged", "nested")
BOARDS = ("public", "private")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A kept experiment: its scores are out of fold, None where one is not known.

    `submission` is a digest of submission.csv and the decision that it comes from.
    """

    experiment: str
    date: str
    revision: str
    fingerprint: str
    folds: str
    score_per_class: float | None
    score_merged: float | None
    nested: float | None
    public: float | None
    private: float | None
    submission: str


COLUMNS = [field.name for field in dataclasses.fields(Entry)]


def read(submissions: pathlib.Path) -> dict[str, Entry]:
    """Read the entries of `submissions`/ledger.csv by experiment; no file, no entry."""
    path = submissions / "ledger.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if table.fieldnames != COLUMNS:
            raise ValueError(
                f"{path}: expected the columns {','.join(COLUMNS)}, received "
                f"{','.join(table.fieldnames or [])}. Restore the file."
            )
        rows = [(table.line_num, row) for row in table]
    return {row["experiment"]: _parse(path, number, row) for number, row in rows}


def write(submissions: pathlib.Path, entries: dict[str, Entry]) -> None:
    """Write `submissions`/ledger.csv, an entry a row."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for entry in map(dataclasses.astuple, entries.values()):
        table.writerow(f"{v:.6f}" if isinstance(v, float) else v for v in entry)
    files.write_text(submissions / "ledger.csv", text.getvalue())


def _parse(path: pathlib.Path, number: int, row: dict[str, str]) -> Entry:
    # DictReader fills a short row with None, and keeps surplus fields under None.
    if None in row or None in row.values():
        raise ValueError(
            f"{path}, row {number}: expected {len(COLUMNS)} fields, received another "
            "number of fields. Correct the row."
        )
    values: dict[str, Any] = dict(row)
    for name in (*READINGS, *BOARDS):
        try:
            values[name] = float(row[name]) if row[name] else None
        except ValueError as error:
            raise ValueError(
                f"{path}, row {number}: `{name}` must be a number or empty. "
                f"Received: {row[name]!r}. Correct the row."
            ) from error
    return Entry(**values)
