"""Better values for an experiment, found by training it again and again.

The study, an SQLite file, knows all trials; one that was killed goes on where it was.
"""

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any, Protocol

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from competition.core import console, files
from competition.core.experiment import configs, history, layout, runs
from competition.machine import deadline
from competition.study.search import results, space

_STATES: dict[TrialState, Any] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "unfinished",
}
# Where so many trials fail one after the other, so will the next.
_FAILURES = 3


class TrainTrial(Protocol):
    """`train.watched`."""

    def __call__(
        self,
        run: runs.Run,
        *,
        fold: int,
        limit: deadline.Deadline | None,
        go_on: Callable[[], bool],
    ) -> None:
        """Train a fold until it is over, `limit` comes or `go_on` says no."""


@dataclasses.dataclass(frozen=True)
class HyperparameterSearch:
    """What is searched, on which data, and where it is kept."""

    dataset: layout.DatasetFiles
    name: str
    plan: space.SearchPlan
    train: TrainTrial
    files: layout.SearchFiles
    study: optuna.Study

    def trials(self) -> list[results.TrialResult]:
        """All trials but those that were killed and go on as others."""
        known = self.study.trials
        revived = {each.user_attrs.get("of") for each in known}
        left = [each for each in known if each.number not in revived]
        return [_found(each, self.plan, self.files) for each in left]

    def keep(self) -> dict[str, Any]:
        """Write what is found until now."""
        return results.keep(self.trials(), self.files, self.plan)


def run(
    dataset: layout.DatasetFiles,
    name: str,
    plan: space.SearchPlan,
    *,
    train: TrainTrial,
    count: int | None = None,
    limit: deadline.Deadline | None = None,
) -> dict[str, Any]:
    """Search until `count` trials have ended, by default as many as the plan says.

    Writes best.toml, trials.csv and trials.png. No trial is begun that would not end
    before `limit`; one that is stopped by it goes on with the next call.
    """
    runs.prepared(dataset)
    place = dataset.search(name)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Two searches would take each other's trials for killed ones.
    with files.alone(place.root, doing="searching"):
        search = HyperparameterSearch(
            dataset, name, plan, train, place, _open(dataset, place, plan)
        )
        _revive(search.study)
        search.keep()
        _go_on(search, count or plan.search.trials, limit)
        results.draw(search.trials(), place, plan)
        return search.keep()


def _open(
    dataset: layout.DatasetFiles, place: layout.SearchFiles, plan: space.SearchPlan
) -> optuna.Study:
    """Open the study, made now if it is new; another plan or other data is an error."""
    search = plan.search
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{place.study.resolve()}",
            study_name="search",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(search.startup, search.warmup),
        )
    except (sqlalchemy.exc.DatabaseError, optuna.exceptions.StorageInternalError) as e:
        raise ValueError(
            f"{place.study}: not a study that can be read ({str(e).splitlines()[0]}). "
            "Bring it back, delete the folder, or search under another name with "
            "--name OTHER."
        ) from e
    about = {
        "fingerprint": runs.prepared(dataset)["fingerprint"],
        "config": plan.base.model_dump(mode="json"),
        "search": search.model_dump(mode="json", include={"folds", "space"}),
    }
    before = study.user_attrs.get("about", about)
    changed = configs.changes(before, about)
    if changed and study.trials:
        raise ValueError(
            f"{place.root} holds a search of something else:\n  "
            + "\n  ".join(changed)
            + "\nSearch under another name with --name OTHER."
        )
    study.set_user_attr("about", about)
    return study


def _revive(study: optuna.Study) -> None:
    """Set the trials that were killed up again, to go on in the same folder.

    Killed in between and called again, it does not set one up twice.
    """
    known = study.trials
    revived = {each.user_attrs.get("of") for each in known}
    for each in known:
        if each.state == TrialState.RUNNING:
            if each.number not in revived:
                attributes = {"of": each.number, "folder": _folder(each)}
                study.enqueue_trial(each.params, attributes)
            study.tell(each.number, state=TrialState.FAIL)


def _go_on(
    search: HyperparameterSearch, count: int, limit: deadline.Deadline | None
) -> None:
    failures = 0
    while len(over := _over(search)) < count:
        if limit and not (limit.left() > 0 and limit.allows(_longest(over))):
            console.note(f"{len(over)} of {count} trials, no time for the next one")
            break
        number = _take(search, limit)
        last = next(each for each in search.trials() if each.number == number)
        if last.state == "unfinished":
            console.note(f"trial {number} stopped in time. Run the same: it goes on.")
            break
        console.note(results.line([*over, last]))
        search.keep()
        failures = failures + 1 if last.state == "failed" else 0
        if failures == _FAILURES:
            raise ValueError(
                f"{search.files.root}: {failures} trials failed one after the other, "
                f"the last with: {last.fault}"
            )


def _over(search: HyperparameterSearch) -> list[results.TrialResult]:
    return [each for each in search.trials() if each.state != "unfinished"]


def _longest(over: list[results.TrialResult]) -> float:
    """The seconds that the next trial may take, a tenth more than any; 0: unknown."""
    whole = [each.seconds for each in over if each.state == "complete"]
    return 1.1 * max(whole, default=0.0)


def _take(search: HyperparameterSearch, limit: deadline.Deadline | None) -> int:
    """Take one trial and return its number; it runs on where the limit came first."""
    study, plan = search.study, search.plan
    # Of the number of trials, so that a call that goes on draws what one call would.
    study.sampler = optuna.samplers.TPESampler(
        seed=plan.base.seed + len(study.trials), n_startup_trials=plan.search.startup
    )
    trial = study.ask(_distributions(plan))
    twin = _twin(search, trial)
    if twin:
        # What repeats to the bit needs no repetition.
        console.note(f"trial {trial.number}: the values of trial {twin.number}")
        trial.set_user_attr("folder", twin.folder)
        study.tell(trial, twin.score)
        return trial.number
    try:
        score = _train(search, trial, limit)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except ValueError as error:
        trial.set_user_attr("fault", str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        if score is not None:
            study.tell(trial, score)
    return trial.number


def _twin(
    search: HyperparameterSearch, trial: optuna.Trial
) -> results.TrialResult | None:
    """The complete trial of the same values, if there is one."""
    values = _values(search.plan, trial.params)
    whole = [each for each in _over(search) if each.state == "complete"]
    return next((each for each in whole if each.values == values), None)


def _distributions(
    plan: space.SearchPlan,
) -> dict[str, optuna.distributions.BaseDistribution]:
    """The space in Optuna's words; choices by what they are called."""
    drawn: dict[str, optuna.distributions.BaseDistribution] = {}
    for key, each in plan.search.space.items():
        if each.choices:
            drawn[key] = optuna.distributions.CategoricalDistribution(list(each.values))
            continue
        low, high = each.ends
        if space.is_whole(plan, key):
            drawn[key] = optuna.distributions.IntDistribution(
                int(low), int(high), log=each.log, step=int(each.step or 1)
            )
        else:
            drawn[key] = optuna.distributions.FloatDistribution(
                low, high, log=each.log, step=each.step
            )
    return drawn


def _values(plan: space.SearchPlan, params: dict[str, Any]) -> dict[str, Any]:
    """What was drawn, as the config takes it; killed early, some keys are missing."""
    named = {key: each.values for key, each in plan.search.space.items()}
    return {
        key: named[key][params[key]] if each.choices else params[key]
        for key, each in plan.search.space.items()
        if key in params
    }


def _folder(trial: optuna.Trial | FrozenTrial) -> str:
    """The name of a trial's folder: that of the killed trial that it goes on with."""
    return str(trial.user_attrs.get("folder", f"trial-{trial.number}"))


def _found(
    trial: FrozenTrial, plan: space.SearchPlan, files: layout.SearchFiles
) -> results.TrialResult:
    taken = list(trial.intermediate_values.values())
    is_whole = trial.state == TrialState.COMPLETE
    place = files.trial(_folder(trial))
    # Of a trial that went on, Optuna knows the last part alone.
    epochs = [row for k in plan.search.folds for row in history.read(place.history(k))]
    last = trial.duration.total_seconds() if trial.duration else 0.0
    return results.TrialResult(
        number=trial.number,
        folder=_folder(trial),
        state=_STATES[trial.state],
        values=_values(plan, trial.params),
        score=trial.value if is_whole else max(taken, default=None),
        seconds=max(last, sum(row["seconds"] for row in epochs)),
        fault=trial.user_attrs.get("fault", ""),
    )


def _train(
    search: HyperparameterSearch, trial: optuna.Trial, limit: deadline.Deadline | None
) -> float | None:
    """The mean of the folds' best scores; None where the limit came first.

    The first fold's scores say whether the trial is pruned.
    """
    name, values = _folder(trial), _values(search.plan, trial.params)
    console.note(f"trial {trial.number}: {space.show(values)}")
    wanted = space.change(search.plan, values, source=f"trial {trial.number}")
    run = runs.start(
        search.dataset,
        f"{search.name}/{name}",
        wanted.model_copy(update={"folds": search.plan.search.folds}),
        place=search.files.trial(name),
    )
    watch = _PruningWatch(trial, run, run.config.folds[0])
    scores = []
    for fold in run.config.folds:
        search.train(run, fold=fold, limit=limit, go_on=watch)
        if not watch():
            raise optuna.TrialPruned
        rows = history.read(run.files.history(fold))
        training = run.config.training
        if not history.is_over(
            rows, epochs=training.epochs, patience=training.patience
        ):
            return None
        score = history.best(rows)
        if score is None:
            raise ValueError(
                f"{run.files.fold(fold)}: no score was taken, by which trials are "
                "compared. Expected held-out scans with masks. Choose other "
                "`search.folds`."
            )
        scores.append(score)
    return statistics.fmean(scores)


class _PruningWatch:
    """Reports the scores of a fold as they come; called, says whether to go on."""

    def __init__(self, trial: optuna.Trial, run: runs.Run, fold: int) -> None:
        self.trial, self.path = trial, run.files.history(fold)
        self.seen = 0
        self.is_pruned = False

    def __call__(self) -> bool:
        rows = history.read(self.path)[self.seen :]
        self.seen += len(rows)
        for row in rows:
            if row["score"] is not None:
                self.trial.report(row["score"], row["epoch"])
                self.is_pruned = self.is_pruned or self.trial.should_prune()
        return not self.is_pruned
