"""Train folds on the nodes of a cluster, each in a process of its own there."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

from competition import cluster
from competition.core.experiment import layout, runs
from competition.machine import deadline
from competition.train import fold_training

Fold = tuple[runs.Run, layout.Fold]
# A network file system may show elsewhere so late what a node has written.
SEEN_SECONDS = 120.0


def train(
    dataset: layout.DatasetFiles,
    waiting: Sequence[Fold],
    limit: deadline.Deadline | None,
    nodes: cluster.Cluster,
) -> None:
    """Train folds until each is finished, or its share of the time is over."""
    with cluster.marked(dataset.root) as mark:
        tasks = {_task(dataset, fold, mark): fold for fold in waiting}
        for task, summary in nodes.run(tasks, limit=limit):
            _wait_for(*tasks[task], summary)


def _task(dataset: layout.DatasetFiles, fold: Fold, mark: str) -> cluster.Task:
    run, number = fold

    def arguments(share: deadline.Deadline | None) -> Sequence[Any]:
        (command,) = fold_training.commands([fold], limit=share)
        return str(dataset.root.absolute()), mark, command, number

    name = f"{run.name}, fold {number}"
    return cluster.Task(name, _train_here, arguments, run.config.training.gpus)


def _train_here(
    folder: str, mark: str, command: list[str], fold: layout.Fold
) -> dict[str, Any]:
    """Train a fold on this node; return how far it is."""
    cluster.run_command(folder, mark, command)
    root = pathlib.Path(command[command.index("--run") + 1])
    return fold_training.summary(runs.read(layout.RunFiles(root)), fold)


def _wait_for(run: runs.Run, fold: layout.Fold, summary: dict[str, Any]) -> None:
    """Wait until this machine sees what a node has written."""
    end = time.monotonic() + SEEN_SECONDS
    while fold_training.summary(run, fold) != summary:
        if time.monotonic() > end:
            raise ValueError(
                f"{run.files.fold(fold)} is not as the node that trained it says. "
                f"Expected {summary}. Received: {fold_training.summary(run, fold)}. "
                "Mount the work folder under the same path here and on all nodes."
            )
        time.sleep(1.0)
