"""Step 2: train the folds of a run and keep weights of each."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from competition import cluster
from competition.core import console
from competition.core.experiment import layout, runs
from competition.machine import deadline, gpus, process
from competition.study import watch
from competition.train import fold_training, published


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: layout.Fold | None = None,
    budget: str | None = None,
    nodes: cluster.Cluster | None = None,
) -> dict[str, Any]:
    """Train all folds of the run and of its members and gates, or only `fold` of each.

    Finished folds are skipped. A `budget` such as "8h30m" is divided among the others;
    the next call goes on where it ended. With `nodes` each fold trains on one of them.
    """
    sources = runs.members_and_gates(run)
    return _train(dataset, run, sources, fold=fold, budget=budget, nodes=nodes)


def alone(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: layout.Fold | None = None,
    budget: str | None = None,
    nodes: cluster.Cluster | None = None,
) -> dict[str, Any]:
    """Train as `run` does, but without the gates."""
    sources = runs.members(run)
    return _train(dataset, run, sources, fold=fold, budget=budget, nodes=nodes)


def watched(
    run: runs.Run,
    *,
    fold: layout.Fold,
    limit: deadline.Deadline | None,
    go_on: Callable[[], bool],
    nodes: cluster.Cluster | None = None,
) -> None:
    """Train one fold in a process of its own, and kill it once `go_on` returns False.

    The next call goes on after the last finished epoch, as after any kill. With `nodes`
    the process runs on one of them.
    """
    if fold_training.is_finished(run, fold):
        return
    if nodes:
        command = _command(run, fold)
        cluster.run_commands(nodes, [command], run.files.root, limit=limit, go_on=go_on)
    else:
        commands = fold_training.commands([(run, fold)], limit=limit)
        process.run_all(commands, [{}], go_on=go_on)


def _train(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    sources: Sequence[runs.Run],
    *,
    fold: layout.Fold | None,
    budget: str | None,
    nodes: cluster.Cluster | None,
) -> dict[str, Any]:
    """Train all unfinished folds of the sources; return how far each fold is."""
    # Imported late: importing `net` checks the backend.
    from competition.net import hosts

    hosts.same(
        {"--fold": fold, "--budget": budget, "runs": [each.name for each in sources]}
    )
    limit = deadline.start(budget)
    if limit and hosts.count() > 1:
        limit = hosts.SharedDeadline(limit.left())
    if fold is not None and fold not in run.config.folds:
        raise ValueError(
            f"`fold` must be one of the run's folds {list(run.config.folds)}. "
            f"Received: {fold}. Choose one of them."
        )
    folds = run.config.folds if fold is None else (fold,)
    every = [(source, number) for source in sources for number in folds]
    left = [not fold_training.is_finished(*each) for each in every]
    waiting = list(itertools.compress(every, hosts.first(left)))
    if waiting and nodes:
        published.get(waiting)
        _train_on_nodes(dataset, run, waiting, limit, nodes)
    elif hosts.count() == 1 and _in_processes(run, waiting):
        published.get(waiting)
        _train_in_processes(waiting, limit)
    else:
        for index, (source, number) in enumerate(waiting):
            share = limit and limit.share(len(waiting) - index)
            fold_training.train(dataset, source, number, share)
    by_name = {
        source.name: {k: fold_training.summary(source, k) for k in folds}
        for source in sources
    }
    finished = [each["finished"] for its in by_name.values() for each in its.values()]
    own = by_name.pop(run.name, {})
    return {"finished": all(finished), "folds": own, "members": by_name}


def _in_processes(
    run: runs.Run, waiting: Sequence[tuple[runs.Run, layout.Fold]]
) -> bool:
    """Return whether folds train in processes of their own, which free their memory.

    A single fold does so if there are several GPUs: `predict` starts a process on each.
    """
    training = run.config.training
    if not (waiting and training.fresh_process):
        return False
    if len(waiting) > 1:
        return True
    return not process.is_child() and len(gpus.environments(training.gpus)) > 1


def _train_in_processes(
    waiting: Sequence[tuple[runs.Run, layout.Fold]], limit: deadline.Deadline | None
) -> None:
    """Train folds in processes of their own, side by side where GPUs allow it."""
    left = len(waiting)
    for setting, group in itertools.groupby(waiting, key=_gpus):
        pairs = list(group)
        # A fold that trains alone may use all GPUs.
        environments = gpus.environments(setting) if len(waiting) > 1 else [{}]
        share = limit and limit.share(left / len(pairs))
        commands = fold_training.commands(pairs, at_once=len(environments), limit=share)
        process.run_all(commands, environments)
        left -= len(pairs)


def _train_on_nodes(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    waiting: Sequence[tuple[runs.Run, layout.Fold]],
    limit: deadline.Deadline | None,
    nodes: cluster.Cluster,
) -> None:
    """Train each fold on a node of a cluster; a terminal shows all folds of the run."""
    commands = [_command(each, fold) for each, fold in waiting]
    with watch.below(run.files.root, console.ERR) as show:

        def go_on() -> bool:
            show()
            return True

        cluster.run_commands(nodes, commands, dataset.root, limit=limit, go_on=go_on)


def _command(run: runs.Run, fold: layout.Fold) -> cluster.Command:
    def arguments(limit: deadline.Deadline | None) -> Sequence[str]:
        return next(fold_training.commands([(run, fold)], limit=limit))

    leaves = [run.files.history(fold), run.files.weights(fold)]
    name = f"{run.name}, fold {fold}"
    return cluster.Command(name, arguments, run.config.training.gpus, leaves)


def _gpus(pair: tuple[runs.Run, layout.Fold]) -> str:
    return pair[0].config.training.gpus
