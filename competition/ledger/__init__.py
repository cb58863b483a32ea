"""The ledger: the experiments worth keeping, and what the leaderboard said of them."""

import csv
import dataclasses
import itertools
import pathlib
from typing import Any

import numpy as np

from competition.core import files

# Fewer points lie on a line by chance.
_LEAST = 3
READINGS = ("score_per_class", "score_merged", "nested")
BOARDS = ("public", "private")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A kept experiment: scores are out of fold, None where there is none (yet).

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


def set_scores(
    experiment: str,
    *,
    submissions: pathlib.Path,
    public: float | None = None,
    private: float | None = None,
) -> dict[str, Any]:
    """Enter what the leaderboard says of an experiment; None leaves what is there."""
    entries = read(submissions)
    if experiment not in entries:
        raise ValueError(
            f"{submissions / 'ledger.csv'}: no experiment {experiment!r}. Expected one "
            f"of: {', '.join(entries) or 'none is there'}. Run `ledger add` first."
        )
    if public is None and private is None:
        raise ValueError("Nothing to set. Give --public or --private, or both.")
    entry = entries[experiment]
    entry = dataclasses.replace(
        entry,
        public=entry.public if public is None else _share("public", public),
        private=entry.private if private is None else _share("private", private),
    )
    write(submissions, entries | {experiment: entry})
    return dataclasses.asdict(entry)


def show(submissions: pathlib.Path) -> dict[str, Any]:
    """All entries, and how each reading relates to each leaderboard."""
    entries = list(read(submissions).values())
    relations = [
        relation(entries, reading, board)
        for board, reading in itertools.product(BOARDS, READINGS)
    ]
    return {
        "experiments": [dataclasses.asdict(entry) for entry in entries],
        "relations": relations,
    }


def relation(entries: list[Entry], reading: str, board: str) -> dict[str, Any]:
    """How the leaderboard follows our score: correlations, and mean of board - score.

    None where fewer than 3 experiments have both, or all have one score.
    """
    pairs = [(getattr(entry, reading), getattr(entry, board)) for entry in entries]
    points = np.array([pair for pair in pairs if None not in pair], float)
    points = points.reshape(-1, 2)
    enough = len(points) >= _LEAST
    score, leaderboard = points.T
    return {
        "board": board,
        "reading": reading,
        "experiments": len(points),
        "pearson": _pearson(score, leaderboard) if enough else None,
        "spearman": _pearson(_ranks(score), _ranks(leaderboard)) if enough else None,
        "mean_gap": float((leaderboard - score).mean()) if enough else None,
    }


def read(submissions: pathlib.Path) -> dict[str, Entry]:
    """The entries of `submissions`/ledger.csv by experiment; without a file, none."""
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
    with files.replacing(submissions / "ledger.csv") as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(map(_cells, entries.values()))


def _share(name: str, score: float) -> float:
    if not 0 <= score <= 1:
        raise ValueError(f"--{name} must lie between 0 and 1. Received: {score}.")
    return score


def _cells(entry: Entry) -> list[str]:
    values = dataclasses.astuple(entry)
    return [f"{v:.6f}" if isinstance(v, float) else v or "" for v in values]


def _parse(path: pathlib.Path, number: int, row: dict[str, str]) -> Entry:
    # DictReader fills up a short row with None, and keeps what is too much under it.
    if None in row or None in row.values():
        raise ValueError(
            f"{path}, row {number}: expected {len(COLUMNS)} fields, received another "
            "number of them. Correct the row."
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


def _pearson(one: np.ndarray, other: np.ndarray) -> float | None:
    """The correlation; None where one side does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]
