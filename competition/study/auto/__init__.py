"""The experiment `auto`, which is planned from the data, the device and the time."""

import dataclasses
import pathlib
import time

from competition.core import console, files, locks, storage
from competition.core.experiment import configs, layout
from competition.machine import backend, deadline, gpus, process
from competition.study import amounts
from competition.study.auto import choices, findings, networks, pace, writing

NAME = "auto"
# The time of a session on Kaggle.
BUDGET = "9h"
MOST = 15_000
# Planning times up to twelve networks, each for two minutes at most.
_PATIENCE = 1800.0


def write_apart(dataset: layout.DatasetFiles, budget: str | None) -> pathlib.Path:
    """Write a plan as `write` does in another process, unless there is one.

    The process frees its memory when it ends: timed networks keep gigabytes, or nearly
    all memory of a GPU, which the processes that train folds need.
    """
    if not _is_planned(dataset):
        options = ["--budget", budget] if budget else []
        command = ["-m", "competition", "plan-auto", str(dataset.root), *options]
        process.run_all([command], [{}])
    return dataset.automatic


def write_once(dataset: layout.DatasetFiles, budget: str | None) -> None:
    """Write a plan as `write` does, unless another process wrote one meanwhile.

    So folds that begin at once, each by a call of its own, train by one plan.
    """
    with locks.locked(dataset.automatic, doing="planning", wait_seconds=_PATIENCE):
        # Another machine may have planned meanwhile.
        storage.refresh(dataset.root)
        if not _is_planned(dataset):
            write(dataset, budget)


def _is_planned(dataset: layout.DatasetFiles) -> bool:
    if not files.exists(dataset.automatic):
        return False
    _check_members(dataset)
    console.note(f"auto: as planned in {dataset.automatic}; delete it to plan anew")
    return True


def write(
    dataset: layout.DatasetFiles,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> pathlib.Path:
    """Write auto.toml beside prepared data; return its path.

    The members of a blend are written beside it: auto_2d.toml, and auto_2d_y.toml or
    auto_3d.toml. The budget begins now, so planning takes a part of it.
    """
    backend.check()
    at_once = len(gpus.environments(configs.load("base").training.gpus))
    whole = deadline.parse(budget or BUDGET)
    given = pace.Budget(whole, deadline.Deadline(whole, clock), at_once)
    found = findings.of(dataset)
    if not found.amount.positives:
        raise ValueError(
            f"{dataset.root}: expected slices with masks to plan for. None of the "
            f"{found.amount.slices} slices has any. Check train.csv."
        )
    chosen = networks.choose(dataset, found, given)
    given = dataclasses.replace(given, networks=len(chosen))
    # A few folds with enough steps are worth more than all folds with too few.
    folds = found.amount.folds
    while folds > 1 and _fewest(chosen, given, folds) < networks.LEAST:
        folds -= 1
    _write(dataset, chosen, found, given, folds)
    console.note(f"auto: wrote {dataset.automatic}")
    return dataset.automatic


def _write(
    dataset: layout.DatasetFiles,
    chosen: list[networks.Network],
    found: findings.Findings,
    given: pace.Budget,
    folds: int,
) -> None:
    """Write the experiment of each network, and then that of their blend."""
    own = [choices.of_folds(found, folds)]
    about = _about(dataset, found, given)
    names = [NAME] if len(chosen) == 1 else [n.family.member for n in chosen]
    # Members of an earlier plan are not members of this one.
    for family in networks.FAMILIES:
        files.remove(dataset.automatic.with_stem(family.member))
    for name, network in zip(names, chosen, strict=True):
        lines = own + network.chosen + _of_time(network, found, given, folds)
        text = writing.text(about + _about_speed(network), lines)
        files.write_text(dataset.automatic.with_stem(name), text)
    if len(chosen) > 1:
        blend = writing.text(about, [*own, choices.of_members(names)])
        files.write_text(dataset.automatic, blend)


def planned(experiment: str, dataset: layout.DatasetFiles) -> str:
    """Return the experiment; for `auto`, the path of the TOML that was planned."""
    if experiment != NAME:
        return experiment
    files.require(dataset.automatic, f"plan --experiment {NAME}")
    _check_members(dataset)
    return str(dataset.automatic)


def _check_members(dataset: layout.DatasetFiles) -> None:
    """Refuse a planned blend if the file of a member was deleted."""
    planned = dataset.automatic
    for name in configs.load(str(planned)).members:
        path = planned.with_stem(layout.plain(name))
        is_of_plan = name in {family.member for family in networks.FAMILIES}
        if is_of_plan and not files.exists(path):
            raise ValueError(
                f"{planned}: its member {name} has no {path.name} beside it. Delete "
                f"{planned.name} to plan anew, or put {path.name} back."
            )


def _fewest(chosen: list[networks.Network], given: pace.Budget, folds: int) -> float:
    """Return the fewest steps that a network has time for, if so many folds train."""
    return min(given.steps(folds, network.speed) for network in chosen)


def _of_time(
    network: networks.Network, found: findings.Findings, given: pace.Budget, folds: int
) -> list[choices.Choice]:
    """Choose the longest training that so many folds have time for."""
    seconds = given.of_fold(folds, network.speed)
    steps = min(MOST, int(network.speed.steps(seconds)))
    in_epoch = amounts.steps(network.config, found.amount)
    if steps < in_epoch:
        text = f"are not enough for an epoch of {in_epoch:,} steps."
        console.warn(f"{deadline.show(given.whole)} {text}")
    scores = network.speed.scores(seconds)
    return choices.of_time(found, steps, in_epoch, scores)


def _about(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> str:
    """Return the text that a file begins with."""
    amount = found.amount
    return (
        f"Planned for {dataset.root.name}: {amount.scans} scans of {found.cases} "
        f"cases, {amount.classes} classes.\n"
        f"Training and what follows shall end in {deadline.show(given.whole)}.\n\n"
        f"  make run DATA=.../{dataset.root.name} EXPERIMENT={NAME}\n"
    )


def _about_speed(network: networks.Network) -> str:
    """Return the text about the speed of a network on this device."""
    now = network.speed
    return (
        f"\nHere a fold starts in {now.start:.0f} s, a step takes {now.step:.2f} s and "
        f"a score {now.score:.1f} s.\n"
    )
