"""Step 2: train the folds of a run and keep the best weights of each."""

from collections.abc import Callable
from typing import Any

from competition.core.experiment import layout, runs
from competition.machine import deadline, gpus, process
from competition.train import fold_training


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: int | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Train all folds of the run, or only `fold`, and skip those that are finished.

    A `budget` such as "8h30m" is divided among the folds; the next call goes on where
    it ended. A blend itself is not trained: its members must be trained already.
    """
    limit = deadline.start(budget)
    if run.config.members:
        return {"folds": {}, "members": _trained_members(run)}
    if fold is not None and fold not in run.config.folds:
        raise ValueError(
            f"`fold` must be one of the run's folds {list(run.config.folds)}. "
            f"Received: {fold}. Choose one of them."
        )
    folds = run.config.folds if fold is None else (fold,)
    waiting = [number for number in folds if not fold_training.is_finished(run, number)]
    if run.config.training.fresh_process and len(waiting) > 1:
        environments = gpus.environments(run.config.training.gpus)
        at_once = len(environments)
        commands = fold_training.commands(run, waiting, at_once=at_once, limit=limit)
        process.run_all(commands, environments)
    else:
        for index, number in enumerate(waiting):
            share = limit.share(len(waiting) - index) if limit else None
            fold_training.train(dataset, run, number, share)
    return {"folds": {number: fold_training.summary(run, number) for number in folds}}


def watched(
    run: runs.Run,
    *,
    fold: int,
    limit: deadline.Deadline | None,
    go_on: Callable[[], bool],
) -> None:
    """Train one fold in a process of its own, and kill it once `go_on` returns False.

    The next call goes on after the last finished epoch, as after any kill.
    """
    if not fold_training.is_finished(run, fold):
        commands = fold_training.commands(run, [fold], limit=limit)
        process.run_all(commands, [{}], go_on=go_on)


def _trained_members(run: runs.Run) -> list[str]:
    """Return the names of a blend's runs; a fold that is not finished is an error."""
    for source in runs.members_and_gates(run):
        folds = source.config.folds
        missing = [f for f in folds if not fold_training.is_finished(source, f)]
        if missing:
            raise ValueError(
                f"{run.name} is made of {source.name}, whose folds {missing} are not "
                f"trained to the end. Train the experiment {source.name} first."
            )
    # Raises an error where members have different folds.
    runs.trained_folds(run)
    return list(run.config.members)
