"""The processes that train folds: one after the other, or one on each GPU."""

import math
from collections.abc import Iterator, Sequence

from competition.core.experiment import runs
from competition.machine import deadline, gpus


def environments(setting: str) -> list[dict[str, str]]:
    """Return the environment of each process that may train at the same time.

    Where the config's `training.gpus` lets folds train side by side there is one a GPU,
    otherwise a single one that leaves all devices as they are.
    """
    numbers = gpus.visible() if setting in {"auto", "folds"} else []
    return [{"CUDA_VISIBLE_DEVICES": number} for number in numbers] or [{}]


def commands(
    run: runs.Run,
    folds: Sequence[int],
    *,
    at_once: int,
    limit: deadline.Deadline | None,
) -> Iterator[list[str]]:
    """Yield the command that trains each fold, `at_once` of which run together.

    A command is given its share of the time that is left when it is taken.
    """
    for index, fold in enumerate(folds):
        rounds = math.ceil((len(folds) - index) / at_once)
        yield command(run, fold, limit and limit.share(rounds))


def command(run: runs.Run, fold: int, limit: deadline.Deadline | None) -> list[str]:
    """Return the arguments of Python that train one fold within `limit`."""
    options = ["--run", str(run.files.root), "--fold", str(fold)]
    budget = deadline.budget(limit)
    if budget:
        options += ["--budget", budget]
    return ["-m", "competition", "train", *options]
