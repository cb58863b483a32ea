"""The history of a fold: one row an epoch."""

import csv
import io
import pathlib
from typing import TypedDict

from competition.core import files


class Epoch(TypedDict):
    """One epoch, counted from 0; `score` is None where it was not taken."""

    epoch: int
    loss: float
    score: float | None
    seconds: float


def write(path: pathlib.Path, history: list[Epoch]) -> None:
    """Write a history as CSV; a score that was not taken is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Epoch.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.write_text(path, text.getvalue())


def read(path: pathlib.Path) -> list[Epoch]:
    """Read a history; before the first epoch there is none."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [
            Epoch(
                epoch=int(row["epoch"]),
                loss=float(row["loss"]),
                score=float(row["score"]) if row["score"] else None,
                seconds=float(row["seconds"]),
            )
            for row in csv.DictReader(file)
        ]


def best(history: list[Epoch]) -> float | None:
    """The best score of a history; None where none was taken."""
    return max(
        (row["score"] for row in history if row["score"] is not None), default=None
    )
