"""How a run was trained: curves of every fold, and where the time went."""

from typing import Any, Literal

from competition.core.experiment import history, layout
from competition.core.pages import charts, pictures
from competition.machine import deadline

Histories = dict[layout.Fold, list[history.Epoch]]
_CURVES: dict[Literal["loss", "score", "rate"], tuple[str, str]] = {
    "loss": ("Training loss", "loss"),
    "score": ("Held-out score", "score"),
    "rate": ("Learning rate", "rate"),
}


def curves(histories: Histories) -> list[charts.Drawing]:
    """Draw the curves of all folds; one that no fold has is left out."""
    drawn = []
    for column, (title, ylabel) in _CURVES.items():
        series = [
            charts.Series(f"fold {fold}", points, colour(place))
            for place, (fold, epochs) in enumerate(histories.items())
            if (points := history.points(epochs, column))
        ]
        if series:
            drawn.append(charts.draw(charts.Chart(title, "epoch", ylabel, series)))
    return drawn


def colour(place: int) -> str:
    """Return the CSS class of the curve at a place in a chart."""
    return f"curve{place % len(pictures.CURVE_COLOURS)}"


def times(histories: Histories) -> list[dict[str, Any]]:
    """Return for each trained fold the seconds of its steps, its waits and its scoring.

    If there are several folds, the last row is for all of them. A time that a history
    does not have is None; if it has no waits, they are part of the steps. If it has
    no memory, that is 0.
    """
    rows = [_time(str(fold), epochs) for fold, epochs in histories.items() if epochs]
    if len(rows) > 1:
        every = [epoch for epochs in histories.values() for epoch in epochs]
        rows.append(_time("all", every))
    return rows


def _time(name: str, epochs: list[history.Epoch]) -> dict[str, Any]:
    seconds = sum(epoch["seconds"] for epoch in epochs)
    scoring = deadline.total([epoch.get("scoring") for epoch in epochs])
    waiting = deadline.total([epoch.get("waiting") for epoch in epochs])
    steps = None if scoring is None else seconds - scoring - (waiting or 0.0)
    return {
        "fold": name,
        "epochs": len(epochs),
        "waiting": waiting,
        "steps": steps,
        "scoring": scoring,
        "seconds": seconds,
        "epoch": seconds / len(epochs),
        "memory": max((epoch.get("memory") or 0 for epoch in epochs), default=0),
        "scores": history.scores(epochs if name != "all" else []),
    }
