"""A search for better values of an experiment, which trains it again and again.

All trials are in the study, an SQLite file; a killed trial goes on where it stopped.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from competition.core import console, files
from competition.core.experiment import history, layout, runs
from competition.machine import deadline
from competition.study.search import results, space, trials

# After so many failures one after the other the next trial would fail as well.
_FAILURES = 3


# Trains a fold to its end, to `limit`, or until `go_on` returns False; called as
# train(run, fold=0, limit=limit, go_on=go_on), as `train.watched` is.
Train = Callable[..., None]


def load(experiment: str, overrides: tuple[str, ...] = ()) -> space.SearchPlan:
    """Load an experiment with its [search] table, every value of which is checked."""
    return space.load(experiment, overrides)


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
    search_files, count = dataset.search(name), count or plan.search.trials
    # A second search would take the trials of this one for killed ones.
    with files.locked(search_files.root, doing="searching"):
        study = trials.Study(dataset, search_files, plan)
        known = study.trial_results()
        results.write(known, search_files, plan)
        failures = 0
        while len(ended := [t for t in known if t.state != "unfinished"]) < count:
            if limit and not (limit.left() > 0 and limit.allows(_longest(ended))):
                done = f"{len(ended)} of {count} trials"
                console.note(f"{done}, no time for the next one")
                break
            trial = study.ask()
            twin = _twin(trial, ended)
            if twin:
                # Training repeats to the bit, so the same values need no second one.
                console.note(f"trial {trial.number}: the values of trial {twin.number}")
                trial.end(twin.score, folder=twin.folder)
            else:
                console.note(f"trial {trial.number}: {space.show(trial.values)}")
                _train(
                    trial, plan, dataset=dataset, name=name, train=train, limit=limit
                )
            known = study.trial_results()
            last = next(result for result in known if result.number == trial.number)
            if last.state == "unfinished":
                console.note(
                    f"trial {trial.number} stopped in time. Run the same: it goes on."
                )
                break
            console.note(results.line([*ended, last]))
            results.write(known, search_files, plan)
            failures = failures + 1 if last.state == "failed" else 0
            if failures == _FAILURES:
                raise ValueError(
                    f"{search_files.root}: {failures} trials failed one after the "
                    f"other, the last with: {last.fault}"
                )
        results.draw(known, search_files, plan)
        return results.write(known, search_files, plan)


def _longest(ended: Sequence[results.TrialResult]) -> float:
    """Return the seconds that the next trial may take, 10 % above any; 0: unknown."""
    seconds = [trial.seconds for trial in ended if trial.state == "complete"]
    return 1.1 * max(seconds, default=0.0)


def _twin(
    trial: trials.Trial, ended: Sequence[results.TrialResult]
) -> results.TrialResult | None:
    """Return the complete trial that had the same values, if there is one."""
    complete = (result for result in ended if result.state == "complete")
    return next((r for r in complete if r.values == trial.values), None)


def _train(
    trial: trials.Trial,
    plan: space.SearchPlan,
    *,
    dataset: layout.DatasetFiles,
    name: str,
    train: Train,
    limit: deadline.Deadline | None,
) -> None:
    """Train the folds of a trial and end it; where `limit` comes first it stays open.

    Its score is the mean of the folds' best scores; the first fold may prune it.
    """
    try:
        config = space.change(plan, trial.values, source=f"trial {trial.number}")
        run = runs.start(
            dataset,
            f"{name}/{trial.folder}",
            config.model_copy(update={"folds": plan.search.folds}),
            run_files=dataset.search(name).trial(trial.folder),
        )
        watch = _PruningWatch(trial, run)
        scores = []
        for fold in run.config.folds:
            train(run, fold=fold, limit=limit, go_on=watch)
            if not watch():
                trial.end(state="pruned")
                return
            score = _final_score(run, fold)
            if score is None:
                return
            scores.append(score)
    except ValueError as error:
        trial.end(state="failed", fault=str(error))
    else:
        trial.end(statistics.fmean(scores))


def _final_score(run: runs.Run, fold: int) -> float | None:
    """Return the best score of a fold; None while its training is not over."""
    rows, training = history.read(run.files.history(fold)), run.config.training
    if not history.is_over(rows, epochs=training.epochs, patience=training.patience):
        return None
    score = history.best(rows)
    if score is None:
        raise ValueError(
            f"{run.files.fold(fold)}: no score was taken, by which trials are "
            "compared. Expected held-out scans with masks. Choose other `search.folds`."
        )
    return score


class _PruningWatch:
    """Reports the scores of the first fold as they come, and says whether to go on."""

    def __init__(self, trial: trials.Trial, run: runs.Run) -> None:
        self.trial, self.path = trial, run.files.history(run.config.folds[0])
        self.epochs = 0
        self.is_pruned = False

    def __call__(self) -> bool:
        """Report the epochs that are new; return False once the trial is pruned."""
        rows = history.read(self.path)[self.epochs :]
        self.epochs += len(rows)
        for row in rows:
            if row["score"] is not None:
                is_worse = self.trial.report(row["score"], row["epoch"])
                self.is_pruned = self.is_pruned or is_worse
        return not self.is_pruned
