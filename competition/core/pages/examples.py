"""Rank the scans of a score from worst to best, and choose examples to show."""

from collections.abc import Sequence
from typing import Any

from competition.core import scores


def ranked(result: scores.Scores) -> list[dict[str, Any]]:
    """Return a row for each scan of a score, worst first, scans without a score last.

    The score of a scan is the mean score of its classes that have one.
    """
    rows = []
    for scan, by_class in result["by_scan"].items():
        each = [values["score_per_class"] for values in by_class.values()]
        known = [score for score in each if score is not None]
        score = sum(known) / len(known) if known else None
        rows.append({"scan": scan, "score": score, "by_class": by_class})
    return sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0))


def chosen(rows: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the worst, median and best of ranked rows with the word for each.

    Rows without a score are left out; of two rows there is no median.
    """
    scored = [row for row in rows if row["score"] is not None]
    last = len(scored) - 1
    # If two of them are the same scan, the later entry here names it.
    words = {last // 2: "Median", last: "Best", 0: "Worst"}
    return [(words[place], scored[place]) for place in sorted(words) if scored]


def words(result: scores.Scores) -> dict[str, str]:
    """Return the word for each example of a score: worst, median, best."""
    return {row["scan"]: word.lower() for word, row in chosen(ranked(result))}


def scans(result: scores.Scores) -> list[str]:
    """Return the examples of a score by name, or the first scan if none has a score."""
    rows = ranked(result)
    return [row["scan"] for _, row in chosen(rows)] or [row["scan"] for row in rows[:1]]
