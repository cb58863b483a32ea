"""A search for better values of an experiment, which trains it again and again.

All trials are in the study, an SQLite file; a killed trial goes on where it stopped.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Any

from competition.core import console, locks
from competition.core.experiment import history, layout, runs, starting
from competition.machine import deadline
from competition.study.search import results, space, trials

# After this many failures in a row, the next trial would fail as well.
_FAILURES = 3

# Trains a fold to its end, to `limit`, or until `go_on` returns False; called as
# train(run, fold=0, limit=limit, go_on=go_on), as `train.watched` is.
Train = Callable[..., None]

load = space.load


def run(
    dataset: layout.DatasetFiles,
    name: str,
    plan: space.SearchPlan,
    *,
    train: Train,
    count: int | None = None,
    limit: deadline.Deadline | None = None,
) -> dict[str, Any]:
    """Search until `count` trials have ended, by default as many as the plan says.

    Writes best.toml, trials.csv and trials.png. No trial begins that would not end
    before `limit`; a trial that `limit` stops goes on with the next call.
    """
    runs.prepared(dataset)
    # A second search would take the running trial of this one for a killed one.
    folder = dataset.search(name).root
    folder.mkdir(parents=True, exist_ok=True)
    with locks.locked(folder, doing="searching"):
        study = trials.Study(dataset, name, plan)
        _search(study, count or plan.search.trials, train=train, limit=limit)
        results.draw(study)
        return results.write(study)


def _search(
    study: trials.Study, count: int, *, train: Train, limit: deadline.Deadline | None
) -> None:
    """Run trials until `count` have ended or the time is over."""
    failures = 0
    while len(ended := study.ended()) < count:
        complete = [each for each in ended if each.state == "complete"]
        # The next trial may take 10 % longer than any before.
        longest = 1.1 * max((each.seconds for each in complete), default=0.0)
        if limit and not (limit.left() > 0 and limit.allows(longest)):
            console.note(f"{len(ended)} of {count} trials, no time for the next one")
            return
        trial = study.ask()
        twin = next((each for each in complete if each.values == trial.values), None)
        if twin:
            # Training repeats to the bit, so the same values need no second one.
            console.note(f"trial {trial.number}: the values of trial {twin.number}")
            study.end(twin.score, folder=twin.folder)
        else:
            console.note(f"trial {trial.number}: {space.show(trial.values)}")
            _train(study, trial, train=train, limit=limit)
        last = study.result(trial.number)
        if last.state == "unfinished":
            console.note(
                f"trial {trial.number} stopped in time. Run the same: it goes on."
            )
            return
        console.note(results.line([*ended, last]))
        results.write(study)
        failures = failures + 1 if last.state == "failed" else 0
        if failures == _FAILURES:
            raise ValueError(
                f"{study.files.root}: {failures} trials failed one after the other, "
                f"the last with: {last.fault}"
            )


def _train(
    study: trials.Study,
    trial: trials.TrialResult,
    *,
    train: Train,
    limit: deadline.Deadline | None,
) -> None:
    """Train the folds of a trial and end it; where `limit` comes first it stays open.

    Its score is the mean of the folds' scores; the first fold may prune it.
    """
    plan, name = study.plan, f"{study.files.root.name}/{trial.folder}"
    try:
        config = space.change(plan, trial.values, source=f"trial {trial.number}")
        config = config.model_copy(update={"folds": plan.search.folds})
        run_files = study.files.trial(trial.folder)
        run = starting.start(study.dataset, name, config, run_files=run_files)
        go_on = functools.partial(study.go_on, run.files.history(run.config.folds[0]))
        scores = []
        for fold in run.config.folds:
            train(run, fold=fold, limit=limit, go_on=go_on)
            if not go_on():
                study.end(state="pruned")
                return
            rows = history.read(run.files.history(fold))
            if not history.is_over(rows, run.config.training):
                return
            if (score := history.kept(rows, run.config.training.keep)) is None:
                raise ValueError(
                    f"{run.files.fold(fold)}: no score was taken, by which trials are "
                    "compared. Expected held-out scans with masks. Choose other "
                    "`search.folds`."
                )
            scores.append(score)
    except ValueError as error:
        study.end(state="failed", fault=str(error))
    else:
        study.end(statistics.fmean(scores))
