"""The trials of a search, which Optuna draws, prunes and keeps in an SQLite file."""

import dataclasses
import pathlib
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from competition.core import storage
from competition.core.experiment import configs, history, layout, runs
from competition.study.search import space

State = Literal["complete", "pruned", "failed", "unfinished"]
_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "unfinished",
}
# The user attributes of a trial: its folder, its error, and the number of the killed
# trial that it continues.
_FOLDER, _FAULT, _CONTINUES = "folder", "fault", "of"


@dataclasses.dataclass(frozen=True, slots=True)
class TrialResult:
    """A trial: its values by key, its state, score, time and error.

    The score of a trial that is not complete is its best one so far, None without any.
    """

    number: int
    folder: str
    state: State
    values: dict[str, Any]
    score: float | None
    seconds: float
    fault: str


class Study:
    """All trials of a search, on disk; after a kill, the next call goes on with them.

    A trial that `ask` began and that was not ended goes on with the next call.
    """

    def __init__(
        self, dataset: layout.DatasetFiles, name: str, plan: space.SearchPlan
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.dataset, self.files, self.plan = dataset, dataset.search(name), plan
        self._study = _open(self.files, plan)
        self._check_same_search()
        self._revive_killed()

    def trials(self) -> list[TrialResult]:
        """Return the results of all trials except killed ones that others continue."""
        trials = self._study.get_trials(deepcopy=False)
        continued = {trial.user_attrs.get(_CONTINUES) for trial in trials}
        return [self._result(t) for t in trials if t.number not in continued]

    def ended(self) -> list[TrialResult]:
        """Return the results of the trials that have ended."""
        return [result for result in self.trials() if result.state != "unfinished"]

    def result(self, number: int) -> TrialResult:
        """Return the result of the trial `number`."""
        return self._result(self._study.get_trials(deepcopy=False)[number])

    def _result(self, trial: FrozenTrial) -> TrialResult:
        scores = list(trial.intermediate_values.values())
        is_complete = trial.state == TrialState.COMPLETE
        run = self.files.trial(_folder(trial))
        # Optuna knows only the time since the last kill, the histories know all of it.
        folds = self.plan.search.folds
        epochs = [row for k in folds for row in history.read(run.history(k))]
        last = trial.duration.total_seconds() if trial.duration else 0.0
        return TrialResult(
            number=trial.number,
            folder=_folder(trial),
            state=_STATES[trial.state],
            values=space.restore(self.plan, trial.params),
            score=trial.value if is_complete else max(scores, default=None),
            seconds=max(last, sum(row["seconds"] for row in epochs)),
            fault=trial.user_attrs.get(_FAULT, ""),
        )

    def ask(self) -> "RunningTrial":
        """Begin the next trial; a killed one goes before new ones."""
        # The seed counts the trials, so that many calls draw what a single call would.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self.plan.base.seed + len(self._study.get_trials(deepcopy=False)),
            n_startup_trials=self.plan.search.startup,
        )
        trial = self._study.ask()
        known = configs.flat(self.plan.base.model_dump())
        for key, parameter in self.plan.search.space.items():
            (low, high), log, step = parameter.ends, parameter.log, parameter.step
            if parameter.choices:
                trial.suggest_categorical(key, list(parameter.values))
            elif isinstance(known[key], int):
                trial.suggest_int(key, low, high, step=int(step or 1), log=log)
            else:
                trial.suggest_float(key, low, high, step=step, log=log)
        return RunningTrial(self._study, trial, self.result(trial.number))

    def _check_same_search(self) -> None:
        """Raise an error if the study has trials of another plan or other data."""
        search = self.plan.search.model_dump(mode="json", include={"folds", "space"})
        # No trial uses the settings of `submit`.
        about = {
            "fingerprint": runs.prepared(self.dataset)["fingerprint"],
            "config": configs.without_newer_defaults(
                self.plan.base, exclude={"submit"}
            ),
            "search": search,
        }
        stored = {**about, **self._study.user_attrs.get("about", {})}
        source = str(self.files.study)
        kept = configs.check(stored["config"], configs.Config, source=source)
        stored["config"] = configs.without_newer_defaults(kept, exclude={"submit"})
        changed = configs.changes(stored, about)
        if changed and self._study.trials:
            raise ValueError(
                f"{self.files.root} holds a search of something else:\n  "
                + "\n  ".join(changed)
                + "\nSearch under another `name`."
            )
        self._study.set_user_attr("about", about)

    def _revive_killed(self) -> None:
        """Queue every killed trial again, to go on in the folder that it was in."""
        # Optuna's heartbeat does not promise this. It marks a trial as failed before it
        # queues it again, so a kill in between loses the trial. It also finds killed
        # trials only of `optimize`, and only after a time of grace.
        trials = self._study.get_trials(deepcopy=False)
        continued = {trial.user_attrs.get(_CONTINUES) for trial in trials}
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                if trial.number not in continued:
                    about = {_CONTINUES: trial.number, _FOLDER: _folder(trial)}
                    self._study.enqueue_trial(trial.params, about)
                self._study.tell(trial.number, state=TrialState.FAIL)


class RunningTrial:
    """A trial that has begun; `begun` are its number, its folder and its values."""

    def __init__(
        self, study: optuna.Study, trial: optuna.Trial, begun: TrialResult
    ) -> None:
        self.begun = begun
        self._study, self._trial = study, trial
        self._epochs, self._is_pruned = 0, False

    def go_on(self, path: pathlib.Path) -> bool:
        """Report the new epochs of a history; return False once the trial is pruned."""
        rows = history.read(path)
        for row in rows[self._epochs :]:
            if row["score"] is not None:
                self._trial.report(row["score"], row["epoch"])
                self._is_pruned |= self._trial.should_prune()
        self._epochs = len(rows)
        return not self._is_pruned

    def end(
        self,
        score: float | None = None,
        *,
        state: State = "complete",
        folder: str = "",
        fault: str = "",
    ) -> None:
        """End the trial: complete with its score, pruned, or failed with an error.

        `folder` is that of another trial whose training stands for this one.
        """
        for name, text in ((_FOLDER, folder), (_FAULT, fault)):
            if text:
                self._trial.set_user_attr(name, text)
        states = {name: state for state, name in _STATES.items()}
        self._study.tell(self._trial, score, state=states[state])


def _open(search_files: layout.SearchFiles, plan: space.SearchPlan) -> optuna.Study:
    """Open the study, or begin a new one; a damaged file is an error."""
    # SQLite writes into the file itself.
    storage.own(search_files.study)
    try:
        return optuna.create_study(
            storage=f"sqlite:///{search_files.study.resolve()}",
            study_name="search",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(plan.search.startup, plan.search.warmup),
        )
    except (sqlalchemy.exc.DatabaseError, optuna.exceptions.StorageInternalError) as e:
        raise ValueError(
            f"{search_files.study}: not a study that can be read "
            f"({str(e).splitlines()[0]}). Bring it back, delete the folder, or search "
            "under another `name`."
        ) from e


def _folder(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(_FOLDER, f"trial-{trial.number}"))
