"""The experiment `auto`: planned from the data, the device and the time there is."""

import dataclasses
import itertools
import math
import pathlib
import time

from competition.core import console, files
from competition.core.experiment import configs, layout
from competition.machine import backend, deadline, gpus
from competition.study import amounts
from competition.study.auto import choices, findings, pace, writing

NAME = "auto"
# A session on Kaggle.
BUDGET = "9h"
# From so many steps on a larger network is worth more than more steps of a smaller one.
ENOUGH, MOST = 3_000, 15_000
# Folds are left out where each would have fewer.
LEAST = 300
EFFORTS = sorted(
    itertools.starmap(
        choices.Effort,
        [(32, 1.0), (16, 1.0), (32, 0.5), (16, 0.7), (16, 0.5), (16, 0.35), (8, 0.35)],
    ),
    key=lambda effort: -effort.cost,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """What was chosen for a network, and how long its training takes."""

    chosen: list[choices.Choice]
    config: configs.Config
    speed: pace.Pace


def write(
    dataset: layout.DatasetFiles,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> pathlib.Path:
    """Write auto.toml beside prepared data, unless it is there; return its path.

    The budget begins now: planning takes its share of it.
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
    network = _network(dataset, found, given)
    if math.isinf(network.speed.step):
        raise ValueError(
            f"{dataset.root}: no network fits into the memory of this device, in "
            f"batches of {network.config.training.batch}. Expected memory for one of "
            f"{network.config.model.widths[0]} channels. Free some, or use another "
            "device."
        )
    # Few folds that learn are worth more than all of them hardly trained.
    folds = found.amount.folds
    while folds > 1 and given.steps(folds, network.speed) < LEAST:
        folds -= 1
    lines = [
        choices.of_folds(found, folds),
        *network.chosen,
        *_of_time(network, found, given, folds),
    ]
    about = _about(dataset, found, network, given)
    files.write_text(dataset.automatic, writing.text(about, lines))
    console.note(f"auto: wrote {dataset.automatic}")
    return dataset.automatic


def planned(experiment: str, dataset: layout.DatasetFiles) -> str:
    """Return the path of the TOML that was planned for `auto`; else the experiment."""
    if experiment != NAME:
        return experiment
    files.require(dataset.automatic, f"plan --experiment {NAME}")
    return str(dataset.automatic)


def _network(
    dataset: layout.DatasetFiles, found: findings.Findings, given: pace.Budget
) -> Network:
    """Time networks from the largest on, until one has time for a long training.

    The smallest network is taken where none has.
    """
    clock = given.limit.clock
    load = pace.loading(clock)
    measure_scan = pace.measured(dataset, found.amount.classes, clock)
    efforts = list(EFFORTS)
    while True:
        effort = efforts.pop(0)
        chosen = choices.of_data(found, effort)
        config = configs.load("base", tuple(map(writing.override, chosen)))
        console.note(f"auto: timing a network of {effort.channels} channels at first")
        now = pace.of(config, found, load=load, measure_scan=measure_scan, clock=clock)
        steps = given.steps(found.amount.folds, now)
        if steps >= ENOUGH or not efforts:
            return Network(chosen, config, now)
        # By their cost, the others on the way would not be fast enough either.
        enough = effort.cost * steps / ENOUGH if steps else math.inf
        efforts = [other for other in efforts if other.cost <= enough] or efforts[-1:]


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
    dataset: layout.DatasetFiles,
    found: findings.Findings,
    network: Network,
    given: pace.Budget,
) -> str:
    """Return the words that the file begins with."""
    amount, now = found.amount, network.speed
    return (
        f"Planned for {dataset.root.name}: {amount.scans} scans of {found.cases} "
        f"cases, {amount.classes} classes.\n"
        f"Here a fold starts in {now.start:.0f} s, a step takes {now.step:.2f} s and a "
        f"score {now.score:.1f} s.\n"
        f"Training and what follows shall end in {deadline.show(given.whole)}.\n\n"
        f"  make run DATA=.../{dataset.root.name} EXPERIMENT={NAME}\n"
    )
