"""The results of a search: the best experiment, and a table and a picture of trials."""

import dataclasses
import shutil
from collections.abc import Sequence
from typing import Any, Literal, get_args

from competition.core import files
from competition.core.experiment import history, layout
from competition.core.pages import pictures
from competition.study.search import space

# Legible on a light and on a dark page.
INK = "#6b7280"
CURVES = 6


State = Literal["complete", "pruned", "failed", "unfinished"]


@dataclasses.dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial: its values by key, its state, score, time and error.

    The score of a trial that is not complete is its best one so far, None without any.
    """

    number: int
    folder: str
    state: State
    values: dict[str, Any]
    score: float | None = None
    seconds: float = 0.0
    fault: str = ""


def best(trials: Sequence[TrialResult]) -> TrialResult | None:
    """Return the complete trial with the best score, the first of equals."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)


def line(trials: Sequence[TrialResult]) -> str:
    """Describe the last trial in a line, beside the best one."""
    last, top = trials[-1], best(trials)
    score = "" if last.score is None else f", score {last.score:.4f}"
    text = f"trial {last.number} {last.state}{score}: {space.show(last.values)}"
    if last.fault:
        return f"{text}: {last.fault}"
    return text + (f"  (best {top.score:.4f}, trial {top.number})" if top else "")


def write(
    trials: Sequence[TrialResult],
    search_files: layout.SearchFiles,
    plan: space.SearchPlan,
) -> dict[str, Any]:
    """Write the best experiment and the table; only the best trial keeps its weights.

    Returns the summary of the search.
    """
    top = best(trials)
    ended = [trial for trial in trials if trial.state != "unfinished"]
    for trial in ended:
        if top is None or trial.folder != top.folder:
            _remove_weights(search_files.trial(trial.folder))
    if top:
        about = (
            f"# Trial {top.number} of {search_files.root}, score {top.score:.4f}.\n\n"
        )
        config = space.change(plan, top.values, source=str(search_files.root))
        files.write_text(search_files.best, about + space.as_toml(config) + "\n")
    if ended:
        files.write_text(search_files.table, _table(ended, search_files, plan))
    states = [trial.state for trial in trials]
    return {
        "search": str(search_files.root),
        "best": str(search_files.best) if top else None,
        "score": top.score if top else None,
        "trial": top.number if top else None,
        "params": top.values if top else None,
        **{state: states.count(state) for state in get_args(State)},
    }


def draw(
    trials: Sequence[TrialResult],
    search_files: layout.SearchFiles,
    plan: space.SearchPlan,
) -> None:
    """Draw the first fold's scores by epoch of the best trials, if there are any."""
    first = plan.search.folds[0]
    curves: dict[str, list[tuple[float, float]]] = {}
    for trial in sorted(trials, key=lambda trial: -(trial.score or 0.0)):
        rows = history.read(search_files.trial(trial.folder).history(first))
        points = history.points(rows, "score")
        # A trial with the values of another one shares its folder, and so its curve.
        if points and points not in curves.values():
            curves[f"trial {trial.number}"] = points
    if curves:
        shown = dict(list(curves.items())[:CURVES])
        picture = pictures.curves(shown, xlabel="epoch", ink=INK)
        files.write_bytes(search_files.picture, picture)


def _remove_weights(run: layout.RunFiles) -> None:
    """Keep only the config and the histories of a run."""
    for path in run.root.glob("fold*/*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "history.csv":
            path.unlink()


def _table(
    trials: Sequence[TrialResult],
    search_files: layout.SearchFiles,
    plan: space.SearchPlan,
) -> str:
    """Return the trials as CSV, a row each: outcome, time, values by key, error."""
    import pandas as pd

    rows = []
    for trial in trials:
        histories = search_files.trial(trial.folder).root.glob("fold*/history.csv")
        about = {
            "trial": trial.number,
            "state": trial.state,
            "score": trial.score,
            "epochs": sum(len(history.read(path)) for path in histories),
            "seconds": round(trial.seconds, 1),
        }
        values = {key: trial.values.get(key) for key in plan.search.space}
        rows.append({**about, **values, "fault": trial.fault})
    # As objects, or whole numbers would become fractions where one of them is missing.
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")
