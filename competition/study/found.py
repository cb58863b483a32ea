"""What a search has found: its trials as a line, a table, a picture, and the best."""

import csv
import dataclasses
import io
import shutil
from collections.abc import Sequence
from typing import Any, Literal

from competition.core import files, history, layout, pictures, space

INK = "#6b7280"


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A trial: its values by key, and what it came to.

    score: of a pruned one the best until then; None without any.
    """

    number: int
    folder: str
    state: Literal["complete", "pruned", "failed", "unfinished"]
    values: dict[str, Any]
    score: float | None = None
    seconds: float = 0.0
    fault: str = ""


def best(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the best score, the first of equals."""
    whole = [each for each in trials if each.state == "complete"]
    return max(whole, key=lambda each: each.score or 0.0, default=None)


def line(trials: Sequence[Trial]) -> str:
    """What the last trial came to, beside the best."""
    last, top = trials[-1], best(trials)
    score = "" if last.score is None else f", score {last.score:.4f}"
    text = f"trial {last.number} {last.state}{score}: {space.show(last.values)}"
    if last.fault:
        return f"{text}: {last.fault}"
    return text + (f"  (best {top.score:.4f}, trial {top.number})" if top else "")


def keep(
    trials: Sequence[Trial], place: layout.Search, plan: space.Plan
) -> dict[str, Any]:
    """Write the best experiment, table and picture; weights stay of the best alone."""
    top = best(trials)
    over = [each for each in trials if each.state != "unfinished"]
    for each in over:
        if top is None or each.folder != top.folder:
            _lighten(place.trial(each.folder))
    if top:
        about = f"# Trial {top.number} of {place.root}, score {top.score:.4f}.\n\n"
        wanted = space.change(plan, top.values, source=str(place.root))
        files.write_text(place.best, about + space.as_toml(wanted))
    if over:
        files.write_text(place.table, _table(over, place, plan))
        files.write_bytes(place.picture, _picture(over))
    states = [each.state for each in trials]
    return {
        "search": str(place.root),
        "best": str(place.best) if top else None,
        "score": top.score if top else None,
        "trial": top.number if top else None,
        "params": top.values if top else None,
        **{
            state: states.count(state)
            for state in ("complete", "pruned", "failed", "unfinished")
        },
    }


def _lighten(run: layout.Run) -> None:
    """Keep the config and the histories of a run alone."""
    for path in run.root.glob("fold*/*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "history.csv":
            path.unlink()


def _table(over: list[Trial], place: layout.Search, plan: space.Plan) -> str:
    names = ["trial", "state", "score", "epochs", "seconds", *plan.search.space]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "fault"])
    for each in over:
        rows = place.trial(each.folder).root.glob("fold*/history.csv")
        epochs = sum(len(history.read(path)) for path in rows)
        about = [each.number, each.state, each.score, epochs, round(each.seconds, 1)]
        values = [each.values.get(key) for key in plan.search.space]
        writer.writerow([*about, *values, each.fault])
    return text.getvalue()


def _picture(over: list[Trial]) -> bytes:
    points = {
        state: [
            (each.number, each.score or 0.0) for each in over if each.state == state
        ]
        for state in ("complete", "pruned", "failed")
    }
    shown = {state: each for state, each in points.items() if each}
    return pictures.curves(shown, xlabel="trial", ink=INK)
