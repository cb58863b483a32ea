"""The results of a search: the best experiment, and a table and a picture of trials."""

from collections.abc import Sequence
from typing import Any, get_args

import pandas as pd

from competition.core import files, storage
from competition.core.experiment import history
from competition.core.pages import pictures
from competition.study.search import space, trials

_CURVES = 6
# Colours that are legible on a light and on a dark page.
_INK = "#6b7280"


def best(ended: Sequence[trials.TrialResult]) -> trials.TrialResult | None:
    """Return the complete trial with the best score, the first of equals."""
    complete = [trial for trial in ended if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.score or 0.0, default=None)


def line(ended: Sequence[trials.TrialResult]) -> str:
    """Describe the last trial in a line, beside the best one."""
    last, top = ended[-1], best(ended)
    score = "" if last.score is None else f", score {last.score:.4f}"
    text = f"trial {last.number} {last.state}{score}: {space.show(last.values)}"
    if last.fault:
        return f"{text}: {last.fault}"
    return text + (f"  (best {top.score:.4f}, trial {top.number})" if top else "")


def write(study: trials.Study) -> dict[str, Any]:
    """Write the best experiment and the table; only the best trial keeps its weights.

    Returns the summary of the search.
    """
    ended, root = study.ended(), study.files.root
    storage.publish(study.files.study)
    top = best(ended)
    for trial in ended:
        if top and trial.folder == top.folder:
            continue
        for path in study.files.trial(trial.folder).root.glob("fold*/*"):
            if path.name != "history.csv":
                files.remove(path)
    if top:
        about = f"# Trial {top.number} of {root}, score {top.score:.4f}.\n\n"
        config = space.change(study.plan, top.values, source=str(root))
        files.write_text(study.files.best, about + space.as_toml(config) + "\n")
    rows = []
    for trial in ended:
        histories = study.files.trial(trial.folder).root.glob("fold*/history.csv")
        row = {
            "trial": trial.number,
            "state": trial.state,
            "score": trial.score,
            "epochs": sum(len(history.read(path)) for path in histories),
            "seconds": round(trial.seconds, 1),
            **{key: trial.values.get(key) for key in study.plan.search.space},
            "fault": trial.fault,
        }
        rows.append(row)
    if rows:
        # As objects, since pandas writes 4 as 4.0 if another trial has no value.
        table = pd.DataFrame(rows, dtype=object)
        text = table.to_csv(index=False, lineterminator="\n")
        files.write_text(study.files.table, text)
    states = [trial.state for trial in study.trials()]
    return {
        "search": str(root),
        "best": str(study.files.best) if top else None,
        "score": top.score if top else None,
        "trial": top.number if top else None,
        "params": top.values if top else None,
        **{state: states.count(state) for state in get_args(trials.State)},
    }


def draw(study: trials.Study) -> None:
    """Draw the best trials' scores of the first fold by epoch, if any."""
    first = study.plan.search.folds[0]
    curves: dict[str, list[tuple[float, float]]] = {}
    for trial in sorted(study.trials(), key=lambda trial: -(trial.score or 0.0)):
        rows = history.read(study.files.trial(trial.folder).history(first))
        points = history.points(rows, "score")
        # A trial with the values of another one shares its folder, and so its curve.
        if points and points not in curves.values():
            curves[f"trial {trial.number}"] = points
    if curves:
        shown = dict(list(curves.items())[:_CURVES])
        picture = pictures.curves(shown, xlabel="epoch", ink=_INK)
        files.write_bytes(study.files.picture, picture)
