"""The experiment `auto`: planned from the data, the device and the time there is."""

import dataclasses
import gc
import itertools
import math
import pathlib

from competition.core import console, files
from competition.core.experiment import configs, layout
from competition.machine import backend, deadline, gpus
from competition.study import amounts
from competition.study.auto import choices, findings, writing

NAME = "auto"
# A session on Kaggle.
BUDGET = "9h"
# The rest is for predicting, deciding, and steps that take longer than those timed.
TRAINING = 0.7
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
class Timed:
    """What was chosen for a network, and the seconds of its training step."""

    chosen: list[choices.Choice]
    config: configs.Config
    step: float


def write(dataset: layout.DatasetFiles, budget: str | None = None) -> pathlib.Path:
    """Write auto.toml beside prepared data, unless it is there; return its path."""
    if files.exists(dataset.automatic):
        console.note(f"auto: as planned in {dataset.automatic}; delete it to plan anew")
        return dataset.automatic
    backend.check()
    whole = deadline.parse(budget or BUDGET)
    seconds = TRAINING * whole
    found = findings.of(dataset)
    if not found.amount.positives:
        raise ValueError(
            f"{dataset.root}: expected slices with masks to plan for. None of the "
            f"{found.amount.slices} slices has any. Check train.csv."
        )
    network = _network(found, seconds)
    if math.isinf(network.step):
        raise ValueError(
            f"{dataset.root}: no network fits into the memory of this device, in "
            f"batches of {network.config.training.batch}. Expected memory for one of "
            f"{network.config.model.widths[0]} channels. Free some, or use another "
            "device."
        )
    # Few folds that learn are worth more than all of them hardly trained.
    folds = found.amount.folds
    while folds > 1 and _steps(network.config, folds, seconds, network.step) < LEAST:
        folds -= 1
    steps = min(MOST, int(_steps(network.config, folds, seconds, network.step)))
    in_epoch = amounts.steps(network.config, found.amount)
    if steps < in_epoch:
        text = f"are not enough for an epoch of {in_epoch:,} steps."
        console.warn(f"{deadline.show(whole)} {text}")
    amount = found.amount
    about = (
        f"Planned for {dataset.root.name}: {amount.scans} scans of {found.cases} "
        f"cases, {amount.classes} classes.\n"
        f"A step takes {network.step:.2f} s here, and its folds shall end in "
        f"{deadline.show(whole)}.\n\n"
        f"  make run DATA=.../{dataset.root.name} EXPERIMENT={NAME}\n"
    )
    lines = [
        choices.of_folds(found, folds),
        *network.chosen,
        *choices.of_time(steps, in_epoch),
    ]
    files.write_text(dataset.automatic, writing.text(about, lines))
    console.note(f"auto: wrote {dataset.automatic}")
    return dataset.automatic


def planned(experiment: str, dataset: layout.DatasetFiles) -> str:
    """Return the path of the TOML that was planned for `auto`; else the experiment."""
    if experiment != NAME:
        return experiment
    files.require(dataset.automatic, f"plan --experiment {NAME}")
    return str(dataset.automatic)


def _network(found: findings.Findings, seconds: float) -> Timed:
    """Time networks from the largest on, until one has time for a long training.

    `seconds` are those of all folds. The smallest network is taken where none has.
    """
    efforts = list(EFFORTS)
    while True:
        effort = efforts.pop(0)
        chosen = choices.of_data(found, effort)
        config = configs.load("base", tuple(map(writing.override, chosen)))
        console.note(f"auto: timing a network of {effort.channels} channels at first")
        step = _step_seconds(config, found)
        steps = _steps(config, found.amount.folds, seconds, step)
        if steps >= ENOUGH or not efforts:
            return Timed(chosen, config, step)
        # By their cost, the others on the way would not be fast enough either.
        enough = effort.cost * steps / ENOUGH if steps else math.inf
        efforts = [other for other in efforts if other.cost <= enough] or efforts[-1:]


def _steps(config: configs.Config, folds: int, seconds: float, step: float) -> float:
    """Return the steps of a fold that all `folds` have the time for."""
    at_once = len(gpus.environments(config.training.gpus))
    return seconds / math.ceil(folds / at_once) / step


def _step_seconds(config: configs.Config, found: findings.Findings) -> float:
    """Return the seconds of a training step, without end where no memory is left."""
    from competition.net import timing

    slices = amounts.training_slices(config, found.amount)
    measured = timing.measure(config, found.amount.classes, slices=slices)
    # The next network needs the memory of this one.
    gc.collect()
    return measured.step or math.inf
