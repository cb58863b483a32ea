"""The history of a fold: one row an epoch."""

import csv
import io
import math
import pathlib
from typing import Literal, NotRequired

import typing_extensions

from competition.core import files
from competition.core.experiment import schema


class Epoch(typing_extensions.TypedDict):
    """One epoch, counted from 0; `score` is None if the epoch was not scored.

    `mean_score` is the score of the mean weights of the last `training.swa_epochs`
    epochs, measured once, at the end. `scoring` is the part of `seconds` that scores
    took; `waiting` is the part in which steps waited for batches, or None if it was not
    measured. `rate` is the learning rate at the end of the epoch. `memory` is the most
    bytes that the training has used so far, on a GPU or TPU those of the device.
    """

    epoch: int
    loss: float
    score: float | None
    seconds: float
    mean_score: NotRequired[float | None]
    rate: NotRequired[float | None]
    scoring: NotRequired[float | None]
    memory: NotRequired[int | None]
    waiting: NotRequired[float | None]


def write(path: pathlib.Path, history: list[Epoch]) -> None:
    """Write a history as CSV; a missing score is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Epoch.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.write_text(path, text.getvalue())


def read(path: pathlib.Path) -> list[Epoch]:
    """Read a history; before the first epoch it is empty."""
    if not files.exists(path):
        return []
    rows, fault = read_sound(path)
    if fault:
        raise ValueError(
            f"{path}: not the history of a fold ({fault!r}). Delete this file and "
            "train again: it is written anew from the fold's state."
        ) from fault
    return rows


def read_sound(path: pathlib.Path) -> tuple[list[Epoch], Exception | None]:
    """Return the rows before the first damaged one, and its error or None."""
    rows = []
    files.check_regular(path)
    with path.open(newline="", encoding="utf-8") as file:
        try:
            for row in csv.DictReader(file):
                rows.append(_epoch(row))
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            return rows, error
    return rows, None


def _epoch(row: dict[str, str]) -> Epoch:
    return Epoch(
        epoch=int(row["epoch"]),
        loss=_finite(row["loss"]),
        score=_number(row["score"]),
        seconds=_finite(row["seconds"]),
        mean_score=_number(row.get("mean_score")),
        rate=_number(row.get("rate")),
        scoring=_number(row.get("scoring")),
        memory=int(row["memory"]) if row.get("memory") else None,
        waiting=_number(row.get("waiting")),
    )


def _number(text: str | None) -> float | None:
    return _finite(text) if text else None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def best(history: list[Epoch]) -> float | None:
    """Return the best score of a history; None without any score."""
    scores = [each for row in history for each in (row["score"], row.get("mean_score"))]
    return max((each for each in scores if each is not None), default=None)


def scores(history: list[Epoch]) -> dict[schema.Keep, float | None]:
    """Return the score of the weights for each value of `training.keep`."""
    epochs = [row["score"] for row in history if row["score"] is not None]
    last = epochs[-1] if epochs else None
    mean = history[-1].get("mean_score") if history else None
    return {"best": max(epochs, default=None), "last": last, "swa": mean}


def kept(history: list[Epoch], keep: schema.Keep) -> float | None:
    """Return the score of the weights that a fold keeps; None without any score.

    The best weights may be the mean. Until there is a mean, the score of the last
    weights stands for it.
    """
    found = scores(history)
    chosen = best(history) if keep == "best" else found[keep]
    return found["last"] if chosen is None else chosen


def is_over(history: list[Epoch], training: schema.Training) -> bool:
    """Return whether a fold has all its epochs, or its `patience` has run out.

    Patience counts the scores since the best one; with 0 only the epochs count.
    """
    scores = [row["score"] for row in history if row["score"] is not None]
    since_best = len(scores) - 1 - scores.index(max(scores)) if scores else 0
    return len(history) >= training.epochs or 0 < training.patience <= since_best


def points(
    history: list[Epoch], column: Literal["loss", "score", "rate"]
) -> list[tuple[float, float]]:
    """Return (epoch, value) of each epoch with a value in a column, counted from 1."""
    values = [(row["epoch"] + 1.0, row.get(column)) for row in history]
    return [(epoch, value) for epoch, value in values if value is not None]
