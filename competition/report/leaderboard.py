"""What cross-validation says about the leaderboard: the ledger's entries, medals."""

import pathlib
from typing import Any

from competition import ledger
from competition.core.pages import charts

_BOARDS = {"private": "curve0", "public": "curve1"}
_MEDALS = ("gold", "silver", "bronze")


def summary(submissions: pathlib.Path) -> dict[str, Any] | None:
    """Return the ledger with its chart; None if no entry has a leaderboard score."""
    shown = ledger.show(submissions)
    entries = [each for each in shown["experiments"] if _is_scored(each)]
    if not entries:
        return None
    lines = {each["line"]: each["private"] for each in shown["lines"]}
    return {**shown, "experiments": entries, "drawing": _draw(entries, lines)}


def _is_scored(entry: dict[str, Any]) -> bool:
    return any(entry[board] is not None for board in _BOARDS)


def _draw(
    entries: list[dict[str, Any]], lines: dict[str, float]
) -> charts.Drawing | None:
    """Draw the score of each leaderboard against ours, which is nested if it is known.

    Return None if no entry has a score of ours, as if all were trained on every case.
    """
    series = []
    for board, css in _BOARDS.items():
        points, labels = [], []
        for entry in entries:
            ours = entry["nested"] or entry["score_per_class"]
            if ours is not None and entry[board] is not None:
                points.append((ours, entry[board]))
                labels.append(f"{entry['experiment']}, {entry[board]:.4f}")
        series.append(charts.Series(board, points, css, joined=False, labels=labels))
    if not any(each.points for each in series):
        return None
    title, xlabel = "Leaderboard against validation", "nested score, per class"
    levels = {name: lines[name] for name in _MEDALS}
    chart = charts.Chart(title, xlabel, "leaderboard", series, levels=levels)
    return charts.draw(chart)
