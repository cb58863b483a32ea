"""The table of the ledger, ledger.csv: one row for each kept experiment."""

import csv
import dataclasses
import io
import math
import pathlib
from typing import Any

from competition.core import files
from competition.core.data import mask_csv

# The scores that our own validation gives, and those that the leaderboard shows.
READINGS = ("score_per_class", "score_merged", "nested")
BOARDS = ("public", "private")
# The scores of places on the private leaderboard, highest first. The score of the best
# entry in Keras was published without saying which board it is from.
LINES = {
    "winner": 0.889,
    "gold": 0.880,
    "silver": 0.872,
    "bronze": 0.867,
    "best Keras entry on record": 0.828,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A kept experiment: its scores are out of fold, None if one is not known.

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
    """Read the entries of `submissions`/ledger.csv by experiment; none without it."""
    path = submissions / "ledger.csv"
    if not path.is_file():
        return {}
    (_, names), *rows = mask_csv.lines(path)
    if names != COLUMNS:
        raise ValueError(
            f"{path}: expected the columns {','.join(COLUMNS)}, received "
            f"{','.join(names)}. Restore the file."
        )
    entries = [_parse(path, number, fields) for number, fields in rows]
    return {entry.experiment: entry for entry in entries}


def write(submissions: pathlib.Path, entries: dict[str, Entry]) -> None:
    """Write `submissions`/ledger.csv, an entry a row."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for entry in map(dataclasses.astuple, entries.values()):
        table.writerow(f"{v:.6f}" if isinstance(v, float) else v for v in entry)
    files.write_text(submissions / "ledger.csv", text.getvalue())


def _parse(path: pathlib.Path, number: int, fields: list[str]) -> Entry:
    if len(fields) != len(COLUMNS):
        raise ValueError(
            f"{path}, row {number}: expected {len(COLUMNS)} fields, received "
            f"{len(fields)}. Correct the row."
        )
    values: dict[str, Any] = dict(zip(COLUMNS, fields, strict=True))
    for name in (*READINGS, *BOARDS):
        try:
            values[name] = _number(values[name])
        except ValueError as error:
            raise ValueError(
                f"{path}, row {number}: `{name}` must be a number or empty. "
                f"Received: {values[name]!r}. Correct the row."
            ) from error
    return Entry(**values)


def _number(text: str) -> float | None:
    number = float(text) if text else None
    if number is not None and not math.isfinite(number):
        raise ValueError("not finite")
    return number
