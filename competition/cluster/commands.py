"""Run commands of the project as tasks, in a folder that all nodes see."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from competition.cluster import nodes, shared_folder
from competition.core import storage
from competition.machine import deadline, process


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command, and the files that it leaves.

    `arguments` is called when the turn of the command comes, with its deadline or None,
    and returns the arguments of Python. `gpus` is the experiment's `training.gpus`.
    """

    name: str
    arguments: Callable[[deadline.Deadline | None], Sequence[str]]
    gpus: str
    leaves: Sequence[pathlib.Path]


def run(
    cluster: nodes.Cluster,
    commands: Iterable[Command],
    folder: pathlib.Path,
    *,
    limit: deadline.Deadline | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Run commands on nodes that see the same `folder`, and wait for what they leave.

    `limit` and `go_on` are those of `Cluster.run`.
    """
    with shared_folder.marked(folder) as mark:
        tasks = {_task(command, folder, mark): command for command in commands}
        for task, sizes in cluster.run(tasks, limit=limit, go_on=go_on):
            shared_folder.wait_for(tasks[task].leaves, sizes)


def _task(command: Command, folder: pathlib.Path, mark: str) -> nodes.Task:
    leaves = [storage.name(path) for path in command.leaves]

    def arguments(share: deadline.Deadline | None) -> Sequence[Any]:
        return storage.name(folder), mark, command.arguments(share), leaves

    return nodes.Task(command.name, on_this_node, arguments, command.gpus)


def on_this_node(
    folder: str, mark: str, command: Sequence[str], leaves: Sequence[str]
) -> list[int]:
    """Run a command in a process of its own, which ends with the task.

    Returns the sizes of the files that it leaves.
    """
    shared_folder.check(folder, mark)
    process.run_all([command], [{}])
    return shared_folder.sizes(map(storage.path, leaves))
