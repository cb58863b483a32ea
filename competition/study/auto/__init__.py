"""The experiment `auto`: planned from the data, the device and the time there is."""

import dataclasses
import functools
import itertools
import math
import pathlib
import time
import types
from collections.abc import Callable

from competition.core import console, files
from competition.core.experiment import configs, layout
from competition.machine import backend, deadline, gpus, process
from competition.study import amounts
from competition.study.auto import choices, findings, pace, stacks, volumes, writing

NAME = "auto"
# A session on Kaggle.
BUDGET = "9h"
MOST = 15_000
# Folds are left out where each would have fewer.
LEAST = 300
# Volumes gain little from more steps than these: at 2,200 steps on volumes of
# 35 x 51 x 35 voxels Dice was 0.888, at 5,500 0.889, and averaged with stacks 0.8905.
PLENTY = 2_500


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """Networks of one kind, from the one that takes most of a device on.

    From `enough` steps on, a larger network is worth more than more steps of a smaller
    one. Beside a network of another family a run is called `auto_<short>`.
    """

    name: str
    short: str
    of_data: Callable[[findings.Findings, choices.Effort], list[choices.Choice]]
    efforts: tuple[choices.Effort, ...]
    enough: int


def _family(
    name: str,
    short: str,
    kind: types.ModuleType,
    enough: int,
    *efforts: tuple[int, float],
) -> Family:
    ordered = sorted(
        itertools.starmap(choices.Effort, efforts), key=lambda effort: -effort.cost
    )
    return Family(name, short, kind.of_data, tuple(ordered), enough)


STACKS = _family(
    "stacks of slices", "2d", stacks, 3_000,
    (32, 1.0), (16, 1.0), (32, 0.5), (16, 0.7), (16, 0.5), (16, 0.35), (8, 0.35),
)  # fmt: skip
# A step sees whole volumes: on those of 35 x 51 x 35 voxels 1,000 steps, 10 minutes of
# a core, score what stacks do after 18.
VOLUMES = _family("volumes", "3d", volumes, 1_000, (32, 1.0), (16, 1.0), (8, 1.0))
FAMILIES = VOLUMES, STACKS


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """What was chosen for a network, and how long its training takes."""

    family: Family
    chosen: list[choices.Choice]
    config: configs.Config
    speed: pace.Pace


def write_apart(dataset: layout.DatasetFiles, budget: str | None) -> pathlib.Path:
    """Write as `write` does, in a process of its own, which takes its memory with it.

    Networks that are timed keep gigabytes, or nearly all memory of a GPU, and folds are
    trained in other processes.
    """
    if not files.exists(dataset.automatic):
        options = ["--budget", budget] if budget else []
        command = ["-m", "competition", "plan-auto", str(dataset.root), *options]
        process.run_all([command], [{}])
    return dataset.automatic


def write(
    dataset: layout.DatasetFiles,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> pathlib.Path:
    """Write auto.toml beside prepared data, unless it is there; return its path.

    A blend's members lie beside it, auto_2d.toml and auto_3d.toml. The budget begins
    now: planning takes its share of it.
    """
    if files.exists(dataset.automatic):
        console.note(f"auto: as planned in {dataset.automatic}; delete it to plan anew")
        return dataset.automatic
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
    networks = _networks(dataset, found, given)
    for network in networks:
        _check_memory(dataset, network)
    given = dataclasses.replace(given, networks=len(networks))
    # Few folds that learn are worth more than all of them hardly trained.
    folds = found.amount.folds
    while folds > 1 and _fewest(networks, given, folds) < LEAST:
        folds -= 1
    _write(dataset, networks, found, given, folds)
    console.note(f"auto: wrote {dataset.automatic}")
    return dataset.automatic


def _write(
    dataset: layout.DatasetFiles,
    networks: list[Network],
    found: findings.Findings,
    given: pace.Budget,
    folds: int,
) -> None:
    """Write the experiment of each network, and that of their blend at last."""
    own = [choices.of_folds(found, folds)]
    about = _about(dataset, found, given)
    if len(networks) == 1:
        lines = own + networks[0].chosen + _of_time(networks[0], found, given, folds)
        text = writing.text(about + _about_speed(networks[0]), lines)
        files.write_text(dataset.automatic, text)
        return
    members = []
    for network in networks:
        path = dataset.automatic.with_stem(f"{NAME}_{network.family.short}")
        lines = own + network.chosen + _of_time(network, found, given, folds)
        files.write_text(path, writing.text(about + _about_speed(network), lines))
        members.append(path.stem)
    lines = [*own, choices.of_members(members)]
    files.write_text(dataset.automatic, writing.text(about, lines))


def planned(experiment: str, dataset: layout.DatasetFiles) -> str:
    """Return the path of the TOML that was planned for `auto`; else the experiment."""
    if experiment != NAME:
        return experiment
    files.require(dataset.automatic, f"plan --experiment {NAME}")
    return str(dataset.automatic)


def _check_memory(dataset: layout.DatasetFiles, network: Network) -> None:
    if math.isinf(network.speed.step):
        raise ValueError(
            f"{dataset.root}: no network fits into the memory of this device, in "
            f"batches of {network.config.training.batch}. Expected memory for one of "
            f"{network.config.model.widths[0]} channels. Free some, or use another "
            "device."
        )


def _fewest(networks: list[Network], given: pace.Budget, folds: int) -> float:
    """Return the steps of the network that has the fewest, if so many folds train."""
    return min(given.steps(folds, network.speed) for network in networks)


def _networks(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> list[Network]:
    """Choose a network of the family that fits the data and this device, or of both.

    Both are trained where half of the time is plenty for volumes.
    """
    clock = given.limit.clock
    load = pace.loading(clock)
    measure_scan = pace.measured(dataset, found.amount.classes, clock)
    time_it = functools.partial(
        pace.of, found=found, load=load, measure_scan=measure_scan, clock=clock
    )
    if not volumes.fit(found):
        return [_largest(STACKS, found, given, time_it)]
    of_volumes = _largest(VOLUMES, found, given, time_it)
    if given.steps(1, of_volumes.speed) < LEAST:
        console.note("auto: volumes take too long here; trying stacks of slices")
        return [_largest(STACKS, found, given, time_it)]
    half = dataclasses.replace(given, networks=2)
    if half.steps(found.amount.folds, of_volumes.speed) < PLENTY:
        return [of_volumes]
    return [_largest(STACKS, found, half, time_it), of_volumes]


def _largest(
    family: Family,
    found: findings.Findings,
    given: pace.Budget,
    time_it: Callable[[configs.Config], pace.Pace],
) -> Network:
    """Time networks from the largest on, until one has time for a long training.

    The smallest network is taken where none has.
    """
    efforts = list(family.efforts)
    while True:
        effort = efforts.pop(0)
        chosen = family.of_data(found, effort)
        config = configs.load("base", tuple(map(writing.override, chosen)))
        about = f"{family.name}, {effort.channels} channels at first"
        console.note(f"auto: timing a network of {about}")
        now = time_it(config)
        steps = given.steps(found.amount.folds, now)
        if steps >= family.enough or not efforts:
            return Network(family, chosen, config, now)
        # By their cost, the others on the way would not be fast enough either.
        most = effort.cost * steps / family.enough if steps else math.inf
        efforts = [other for other in efforts if other.cost <= most] or efforts[-1:]


def _of_time(
    network: Network, found: findings.Findings, given: pace.Budget, folds: int
) -> list[choices.Choice]:
    """Choose the length of a training that so many folds have the time for."""
    seconds = given.of_fold(folds, network.speed)
    steps = min(MOST, int(network.speed.steps(seconds)))
    in_epoch = amounts.steps(network.config, found.amount)
    if steps < in_epoch:
        text = f"are not enough for an epoch of {in_epoch:,} steps."
        console.warn(f"{deadline.show(given.whole)} {text}")
    return choices.of_time(steps, in_epoch, network.speed.scores(seconds))


def _about(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> str:
    """Return the words that a file begins with."""
    amount = found.amount
    return (
        f"Planned for {dataset.root.name}: {amount.scans} scans of {found.cases} "
        f"cases, {amount.classes} classes.\n"
        f"Training and what follows shall end in {deadline.show(given.whole)}.\n\n"
        f"  make run DATA=.../{dataset.root.name} EXPERIMENT={NAME}\n"
    )


def _about_speed(network: Network) -> str:
    """Return the words about the speed of a network on this device."""
    now = network.speed
    return (
        f"\nHere a fold starts in {now.start:.0f} s, a step takes {now.step:.2f} s and "
        f"a score {now.score:.1f} s.\n"
    )
