"""What a search has found: its trials as a line, a table, a picture, and the best."""

import csv
import dataclasses
import io
import shutil
from collections.abc import Sequence
from typing import Any, Literal

from competition.core import files
from competition.core.experiment import history, layout
from competition.core.pages import pictures
from competition.study.search import space

INK = "#6b7280"
# Curves in the picture.
SHOWN = 6


@dataclasses.dataclass(frozen=True, slots=True)
class TrialResult:
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


def best(trials: Sequence[TrialResult]) -> TrialResult | None:
    """The complete trial with the best score, the first of equals."""
    whole = [each for each in trials if each.state == "complete"]
    return max(whole, key=lambda each: each.score or 0.0, default=None)


def line(trials: Sequence[TrialResult]) -> str:
    """What the last trial came to, beside the best."""
    last, top = trials[-1], best(trials)
    score = "" if last.score is None else f", score {last.score:.4f}"
    text = f"trial {last.number} {last.state}{score}: {space.show(last.values)}"
    if last.fault:
        return f"{text}: {last.fault}"
    return text + (f"  (best {top.score:.4f}, trial {top.number})" if top else "")


def keep(
    trials: Sequence[TrialResult], place: layout.SearchFiles, plan: space.SearchPlan
) -> dict[str, Any]:
    """Write the best experiment and the table; weights stay of the best alone."""
    top = best(trials)
    over = [each for each in trials if each.state != "unfinished"]
    for each in over:
        if top is None or each.folder != top.folder:
            _lighten(place.trial(each.folder))
    if top:
        about = f"# Trial {top.number} of {place.root}, score {top.score:.4f}.\n\n"
        wanted = space.change(plan, top.values, source=str(place.root))
        files.write_text(place.best, about + space.as_toml(wanted) + "\n")
    if over:
        files.write_text(place.table, _table(over, place, plan))
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


def draw(
    trials: Sequence[TrialResult], place: layout.SearchFiles, plan: space.SearchPlan
) -> None:
    """Draw the scores by epoch of the best trials; nothing where there is not one."""
    first = plan.search.folds[0]
    lines: dict[str, list[tuple[float, float]]] = {}
    for each in sorted(trials, key=lambda trial: -(trial.score or 0.0)):
        rows = history.read(place.trial(each.folder).history(first))
        points = [
            (row["epoch"] + 1.0, row["score"])
            for row in rows
            if row["score"] is not None
        ]
        if points and points not in lines.values():
            lines[f"trial {each.number}"] = points
    shown = dict(list(lines.items())[:SHOWN])
    if shown:
        picture = pictures.curves(shown, xlabel="epoch", ink=INK)
        files.write_bytes(place.picture, picture)


def _lighten(run: layout.RunFiles) -> None:
    """Keep the config and the histories of a run alone."""
    for path in run.root.glob("fold*/*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "history.csv":
            path.unlink()


def _table(
    over: list[TrialResult], place: layout.SearchFiles, plan: space.SearchPlan
) -> str:
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
