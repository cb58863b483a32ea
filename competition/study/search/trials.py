"""The trials of a search, which Optuna draws, prunes and keeps in an SQLite file."""

from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from competition.core.experiment import configs, history, layout, runs
from competition.study.search import results, space

_STATES: dict[TrialState, results.State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "unfinished",
}
# The user attributes of a trial: its folder, its error, and the number of the killed
# trial that it continues.
_FOLDER, _FAULT, _CONTINUES = "folder", "fault", "of"


class Study:
    """All trials of a search, on disk; a killed call leaves them to the next one."""

    def __init__(
        self,
        dataset: layout.DatasetFiles,
        search_files: layout.SearchFiles,
        plan: space.SearchPlan,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._files, self._plan = search_files, plan
        self._study = _open(search_files, plan)
        _check_same_search(self._study, dataset, search_files, plan)
        self._revive_killed()

    def _revive_killed(self) -> None:
        """Queue every killed trial again, to go on in the folder that it was in."""
        # Optuna's heartbeat does not promise this: it marks a trial as failed before it
        # queues it again, so that a kill in between loses the trial, and it takes only
        # trials of `optimize` for killed, after a time of grace.
        trials = self._study.get_trials(deepcopy=False)
        continued = {trial.user_attrs.get(_CONTINUES) for trial in trials}
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                if trial.number not in continued:
                    about = {_CONTINUES: trial.number, _FOLDER: _folder(trial)}
                    self._study.enqueue_trial(trial.params, about)
                self._study.tell(trial.number, state=TrialState.FAIL)

    def trial_results(self) -> list[results.TrialResult]:
        """Return the results of all trials but killed ones that others continue."""
        trials = self._study.get_trials(deepcopy=False)
        continued = {trial.user_attrs.get(_CONTINUES) for trial in trials}
        left = [trial for trial in trials if trial.number not in continued]
        return [self._result(trial) for trial in left]

    def ask(self) -> "Trial":
        """Begin the next trial; a killed one goes before new ones."""
        # The seed counts the trials, so that many calls draw what a single call would.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self._plan.base.seed + len(self._study.get_trials(deepcopy=False)),
            n_startup_trials=self._plan.search.startup,
        )
        return Trial(
            self._study, self._study.ask(_distributions(self._plan)), self._plan
        )

    def _result(self, trial: FrozenTrial) -> results.TrialResult:
        scores = list(trial.intermediate_values.values())
        is_complete = trial.state == TrialState.COMPLETE
        run = self._files.trial(_folder(trial))
        # Optuna knows the time since the last kill alone, the histories know all of it.
        folds = self._plan.search.folds
        epochs = [row for k in folds for row in history.read(run.history(k))]
        last = trial.duration.total_seconds() if trial.duration else 0.0
        return results.TrialResult(
            number=trial.number,
            folder=_folder(trial),
            state=_STATES[trial.state],
            values=_values(self._plan, trial.params),
            score=trial.value if is_complete else max(scores, default=None),
            seconds=max(last, sum(row["seconds"] for row in epochs)),
            fault=trial.user_attrs.get(_FAULT, ""),
        )


class Trial:
    """A trial that has begun: its values by key, the name of its folder, its outcome.

    Without an outcome the next call goes on with it.
    """

    def __init__(
        self, study: optuna.Study, trial: optuna.Trial, plan: space.SearchPlan
    ) -> None:
        self._study, self._trial = study, trial
        self.number = trial.number
        self.folder = _folder(trial)
        self.values = _values(plan, trial.params)

    def report(self, score: float, epoch: int) -> bool:
        """Report the score of an epoch; return whether the trial is to be pruned."""
        self._trial.report(score, epoch)
        return self._trial.should_prune()

    def end(
        self,
        score: float | None = None,
        *,
        state: results.State = "complete",
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
    """Open the study, made now if it is new; a damaged file is an error."""
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
            "under another name with --name OTHER."
        ) from e


def _check_same_search(
    study: optuna.Study,
    dataset: layout.DatasetFiles,
    search_files: layout.SearchFiles,
    plan: space.SearchPlan,
) -> None:
    """Raise an error where the study has trials of another plan or of other data."""
    about = {
        "fingerprint": runs.prepared(dataset)["fingerprint"],
        "config": plan.base.model_dump(mode="json"),
        "search": plan.search.model_dump(mode="json", include={"folds", "space"}),
    }
    changed = configs.changes(study.user_attrs.get("about", about), about)
    if changed and study.trials:
        raise ValueError(
            f"{search_files.root} holds a search of something else:\n  "
            + "\n  ".join(changed)
            + "\nSearch under another name with --name OTHER."
        )
    study.set_user_attr("about", about)


def _distributions(
    plan: space.SearchPlan,
) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the space as Optuna's distributions, choices by their labels."""
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for key, parameter in plan.search.space.items():
        low, high = parameter.ends
        if parameter.choices:
            labels = list(parameter.values)
            distributions[key] = optuna.distributions.CategoricalDistribution(labels)
        elif space.is_whole(plan, key):
            distributions[key] = optuna.distributions.IntDistribution(
                int(low), int(high), log=parameter.log, step=int(parameter.step or 1)
            )
        else:
            distributions[key] = optuna.distributions.FloatDistribution(
                low, high, log=parameter.log, step=parameter.step
            )
    return distributions


def _values(plan: space.SearchPlan, params: dict[str, Any]) -> dict[str, Any]:
    """Return drawn parameters as values of the config, choices by label as choices.

    A trial that was killed early lacks some keys.
    """
    return {
        key: parameter.values[params[key]] if parameter.choices else params[key]
        for key, parameter in plan.search.space.items()
        if key in params
    }


def _folder(trial: optuna.Trial | FrozenTrial) -> str:
    return str(trial.user_attrs.get(_FOLDER, f"trial-{trial.number}"))
