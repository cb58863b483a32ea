"""The estimates of a plan: of each run, and of all of them together."""

import dataclasses
import math
import typing

from competition.core import probabilities
from competition.core.experiment import configs
from competition.machine import deadline, gpus, kaggle_limits
from competition.study import amounts

if typing.TYPE_CHECKING:
    from competition.net import timing


# Bytes of the host that a training process takes without scans (see bench/README.md).
PROCESS = 2.6e9


@dataclasses.dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run needs: bytes, and seconds, which are None if no step fits.

    `step` and `slice` are measured: a training step, and a slice predicted by one fold.
    `memory` is that of this device, with the scans that it keeps. `on_t4` is that of a
    T4, which leaves more scans on the host. `fitting` is the largest batch that fits a
    T4. `host` is the memory that all processes take of Kaggle's host, without mapped
    files. `fold` is the training of a fold, `seconds` that of all folds and the
    prediction of their held-out scans, `submission` the prediction of the test.
    """

    name: str
    parameters: int
    folds: int
    epochs: int
    steps: int
    batch: int
    accumulate: int
    step: float | None
    slice: float | None
    memory: int
    on_t4: int
    fitting: int
    host: int
    disk: int
    fold: float | None
    seconds: float | None
    submission: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The runs of an experiment, and what they need in all, one after the other.

    `prepared` are the bytes of prepared scans and masks, `outputs` those of the runs.
    """

    device: str
    runs: list[RunPlan]
    slices: int
    seconds: float | None
    submission: float | None
    prepared: int
    outputs: int


def run(
    name: str, config: configs.Config, data: amounts.Amounts, measured: "timing.Timing"
) -> RunPlan:
    """Estimate what a run needs, from its timing on this device."""
    training, at_once = config.training, len(gpus.environments(config.training.gpus))
    folds, steps = amounts.folds(config, data), amounts.steps(config, data)
    rounds = math.ceil(folds / at_once)
    fold = seconds = submission = None
    if measured.step is not None and measured.slice is not None:
        scores = math.ceil(training.epochs / training.score_every)
        scans = min(training.score_scans or data.scans, data.scans / data.folds)
        is_scored = "all" not in config.folds
        slices = amounts.slices(config, data)
        scored = scores * scans * slices / data.scans * is_scored
        fold = training.epochs * steps * measured.step
        # Scoring an epoch predicts a slice once, without test-time augmentation.
        fold += scored * measured.slice / measured.views
        held_out = slices * folds / data.folds * is_scored
        seconds = rounds * fold + held_out / at_once * measured.slice
        submission = amounts.test_slices(config) * folds / at_once * measured.slice
    kept = _kept_on_t4(config, measured.scans)
    predictions = probabilities.STORED * data.pixels * data.classes
    return RunPlan(
        name=name,
        parameters=measured.parameters,
        folds=folds,
        epochs=training.epochs,
        steps=steps,
        batch=training.batch,
        accumulate=training.accumulate,
        step=measured.step,
        slice=measured.slice,
        memory=measured.needs.memory + measured.scans,
        on_t4=measured.needs.memory + kept,
        fitting=measured.needs.fitting(training.batch, kaggle_limits.T4 - kept),
        host=_on_host(config, folds, kept),
        disk=measured.needs.disk(folds, at_once=at_once) + round(predictions),
        fold=fold,
        seconds=seconds,
        submission=submission,
    )


def whole(device: str, runs: list[RunPlan], data: amounts.Amounts) -> Plan:
    """Add up what the runs of an experiment need."""
    return Plan(
        device=device,
        runs=runs,
        slices=data.slices,
        seconds=deadline.total([run.seconds for run in runs]),
        submission=deadline.total([run.submission for run in runs]),
        prepared=data.bytes,
        outputs=sum(run.disk for run in runs),
    )


def _kept_on_t4(config: configs.Config, scans: int) -> int:
    """Return how many of the bytes of scans that this device keeps a T4 keeps too."""
    from competition.net.input import resident_scans

    is_forced = config.input.place == "device"
    is_kept = is_forced or scans <= resident_scans.SHARE * kaggle_limits.T4
    return scans if is_kept else 0


def _on_host(config: configs.Config, folds: int, kept: int) -> int:
    """Return the bytes of Kaggle's host that the processes of a run take at once.

    Each process collects there the scans that its device will keep.
    """
    is_spread = config.training.gpus in {"auto", "folds"}
    at_once = min(folds, kaggle_limits.GPUS) if is_spread else 1
    return at_once * round(PROCESS + kept)
