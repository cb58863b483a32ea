"""Step 2: train the folds of a run; the best weights of each are kept."""

from collections.abc import Callable
from typing import Any

from competition.core.experiment import layout, runs
from competition.machine import deadline, process
from competition.train import one_fold, processes


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: int | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Train all folds of the run, or only `fold`; a finished fold is left as it is.

    A `budget` such as "8h30m" is divided among the folds; the next call goes on with
    those that it did not reach. A blend has nothing to train, but its members must be.
    """
    limit = deadline.start(budget)
    if run.config.members:
        return {"folds": {}, "members": _trained_members(run)}
    folds = _chosen(run, fold)
    waiting = [number for number in folds if not one_fold.is_finished(run, number)]
    if run.config.training.fresh_process and len(waiting) > 1:
        environments = processes.environments(run.config.training.gpus)
        at_once = len(environments)
        commands = processes.commands(run, waiting, at_once=at_once, limit=limit)
        process.run_all(commands, environments)
    else:
        for index, number in enumerate(waiting):
            share = limit.share(len(waiting) - index) if limit else None
            one_fold.train(dataset, run, number, share)
    return {"folds": {number: one_fold.summary(run, number) for number in folds}}


def watched(
    run: runs.Run,
    *,
    fold: int,
    limit: deadline.Deadline | None,
    go_on: Callable[[], bool],
) -> None:
    """Train one fold in a process of its own, which ends once `go_on` returns False.

    `go_on` is called again and again. As after any kill, the next call goes on.
    """
    if not one_fold.is_finished(run, fold):
        process.run_all([processes.command(run, fold, limit)], [{}], go_on=go_on)


def _chosen(run: runs.Run, fold: int | None) -> tuple[int, ...]:
    if fold is None:
        return run.config.folds
    if fold not in run.config.folds:
        raise ValueError(
            f"`fold` must be one of the run's folds {list(run.config.folds)}. "
            f"Received: {fold}. Choose one of them."
        )
    return (fold,)


def _trained_members(run: runs.Run) -> list[str]:
    """Return the names of a blend's runs; a fold that is not finished is an error."""
    for source in runs.members_and_gates(run):
        missing = [
            number
            for number in source.config.folds
            if not one_fold.is_finished(source, number)
        ]
        if missing:
            raise ValueError(
                f"{run.name} is made of {source.name}, whose folds {missing} are not "
                f"trained to the end. Train the experiment {source.name} first."
            )
    # Members with different folds are an error as well.
    runs.trained_folds(run)
    return list(run.config.members)
