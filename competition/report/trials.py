"""The trials of a search for better values of the experiment, if there was one."""

import ast
import collections
import csv
import io
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from competition.core import files
from competition.core.experiment import configs, layout
from competition.core.pages import charts
from competition.report import again, words

# The columns of trials.csv beside the keys that a search tries.
_ABOUT = ("trial", "state", "score", "epochs", "seconds", "fault")
# A chart has a logarithmic axis if the greatest value is so many times the least.
_WIDE = 50
_REMEDY = "Run the search again: it writes the table anew."

Trial = dict[str, Any]


def summary(
    search: layout.SearchFiles, config: configs.Config
) -> dict[str, Any] | None:
    """Return the trials, their charts and the best values; None without a search."""
    if not files.exists(search.table):
        return None
    rows = list(csv.DictReader(io.StringIO(files.read_text(search.table))))
    if not rows or not set(_ABOUT) <= set(rows[0]):
        raise ValueError(
            f"{search.table}: expected trials with the columns {', '.join(_ABOUT)}. "
            f"Received: {', '.join(rows[0]) if rows else 'no trial'}. {_REMEDY}"
        )
    keys = [key for key in rows[0] if key not in _ABOUT]
    trials = [_read(search.table, row, keys) for row in rows]
    # The score of a pruned or failed trial is that of its best epoch: not comparable.
    scored = [each for each in trials if each["state"] == "complete"]
    best = max(scored, key=lambda each: each["score"], default=None)
    return {
        "tried": keys,
        "trials": trials,
        "states": collections.Counter(each["state"] for each in trials),
        "best": best,
        "chosen": _chosen(best["said"], config) if best else [],
        "drawings": _draw(scored, keys),
    }


def _chosen(said: dict[str, str], config: configs.Config) -> list[dict[str, str]]:
    """Return the values of the best trial beside those of the run."""
    here = again.flat(config)
    return [
        {
            "key": key,
            "best": value,
            "here": words.setting(here[key], key) if key in here else "none",
        }
        for key, value in said.items()
    ]


def _read(path: pathlib.Path, row: dict[str, str], keys: Sequence[str]) -> Trial:
    try:
        return _trial(row, keys)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a trial with its numbers ({error}). Received: {row}. "
            f"{_REMEDY}"
        ) from None


def _trial(row: dict[str, str], keys: Sequence[str]) -> Trial:
    values = {key: row[key] for key in keys}
    is_scored = row["score"] or row["state"] == "complete"
    return {
        "trial": int(row["trial"]),
        "state": row["state"],
        "score": _finite(row["score"]) if is_scored else None,
        "epochs": int(row["epochs"]),
        "seconds": _finite(row["seconds"]),
        "fault": row["fault"],
        "values": values,
        "said": {key: _said(text) for key, text in values.items()},
    }


def _finite(text: str) -> float:
    number = _number(text)
    if number is None:
        raise ValueError(f"{text!r} is no finite number")
    return number


def _said(text: str) -> str:
    """Write a value as the page writes a run's values, with four significant digits.

    A list or a dictionary stands in the table as Python writes it.
    """
    number = _number(text)
    if number is not None:
        return words.number(float(f"{number:.4g}"))
    try:
        return words.setting(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return words.setting(text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _draw(scored: Sequence[Trial], keys: Sequence[str]) -> list[charts.Drawing]:
    """Draw the score by trial, and by each value that is a number."""
    if not scored:
        return []
    labels = [
        f"trial {each['trial']}, {each['score']:.4f}: "
        + ", ".join(f"{key} {value}" for key, value in each["said"].items())
        for each in scored
    ]
    points = [(float(each["trial"]), each["score"]) for each in scored]
    so_far = [
        (x, max(score for _, score in points[: place + 1]))
        for place, (x, _) in enumerate(points)
    ]
    trials = charts.Series("trials", points, "curve0", joined=False, labels=labels)
    best = charts.Series("best so far", so_far, "curve1")
    drawn = [charts.Chart("Score by trial", "trial", "score", [trials, best])]
    for key in keys:
        numbers = [_number(each["values"][key]) for each in scored]
        known = [each for each in numbers if each is not None]
        if len(known) < len(numbers) or len(set(known)) < 2:
            continue
        is_wide = min(known) > 0 and max(known) > _WIDE * min(known)
        places = [math.log10(each) if is_wide else each for each in known]
        tried = [(x, each["score"]) for x, each in zip(places, scored, strict=True)]
        series = charts.Series("trials", tried, "curve0", joined=False, labels=labels)
        title, scale = key.rpartition(".")[2], ", as a power of 10" if is_wide else ""
        drawn.append(charts.Chart(f"Score by {title}", key + scale, "score", [series]))
    return [charts.draw(each) for each in drawn]
