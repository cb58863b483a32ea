"""How long the parts of a training take here, and the steps that a budget leaves."""

import dataclasses
import gc
import math
import time

import numpy as np

from competition.core import metric
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout
from competition.machine import deadline
from competition.study import amounts
from competition.study.auto import findings

# The share of a budget for deciding and the submission; `run` keeps as much.
FINISH = 0.1
# The share by which steps on real data, on a busy machine, may exceed those timed.
MARGIN = 0.1
# A score takes so many times as long as its predictions and its metric, because
# probabilities are rounded and a rule decides. On two data sets it was 1.6 and 2.
DECIDING = 1.8
# The most that scores may take of a training, and the most scores.
SCORING, MOST_SCORES = 0.1, 8
# The least seconds for loading the framework (here it may be loaded already), and those
# for the rest of a fold's process: its interpreter, its tables, its last files.
LOADING, PROCESS = 6.0, 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of the parts of a training.

    `load` starts a process with its framework, `build` makes a network, its first step
    and its first prediction. `step` is infinite if a step does not fit the memory.
    `score` scores the held-out scans once, `predict` predicts a fold's held-out scans.
    """

    load: float
    build: float
    step: float
    score: float
    predict: float

    @property
    def start(self) -> float:
        """Return the seconds that a fold takes to start, beside its steps."""
        return self.load + self.build

    def scores(self, seconds: float) -> int:
        """Return how often a fold with this time is scored."""
        most = SCORING * (seconds - self.start) / max(self.score, 1e-9)
        return max(1, min(MOST_SCORES, int(most)))

    def steps(self, seconds: float) -> float:
        """Return the steps that a fold has time for, or 0."""
        scoring = self.scores(seconds) * self.score
        return max(0.0, seconds - self.start - scoring) / self.step


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """The time that planning, training and the steps after it share.

    It is `whole` seconds long and ends at `limit`, so that what planning takes is no
    longer left. `at_once` is how many folds are trained at the same time, and
    `networks` how many networks one after the other.
    """

    whole: float
    limit: deadline.Deadline
    at_once: int
    networks: int = 1

    def of_fold(self, folds: int, pace: Pace) -> float:
        """Return the seconds for each fold that is trained, including its start."""
        rounds = self.networks * math.ceil(folds / self.at_once)
        after = FINISH * self.whole + rounds * (pace.build + pace.predict)
        return (1 - MARGIN) * max(0.0, self.limit.left() - after) / rounds

    def steps(self, folds: int, pace: Pace) -> float:
        """Return the steps that each fold has time for, if so many are trained."""
        return pace.steps(self.of_fold(folds, pace))


def loading(clock: deadline.Clock = time.monotonic) -> float:
    """Load the framework; return the seconds that a fold's process takes for it."""
    began = clock()
    from competition.net import timing  # noqa: F401

    return PROCESS + max(LOADING, clock() - began)


def measured(
    dataset: layout.DatasetFiles, classes: int, clock: deadline.Clock = time.monotonic
) -> float:
    """Return the seconds that the score of a prepared scan takes."""
    table, store = slice_table.read(dataset), arrays.Arrays(dataset)
    scans = slice_table.scans(table)
    truth = np.asarray(store.masks(scans[len(scans) // 2]))
    began = clock()
    # Without an error the metric has nothing to measure, so the prediction is shifted.
    metric.measure(truth, np.roll(truth, 1, axis=2), classes=classes)
    return clock() - began


def of(
    config: configs.Config,
    *,
    found: findings.Findings,
    load: float,
    measure_scan: float,
    clock: deadline.Clock = time.monotonic,
) -> Pace:
    """Time the network of an experiment.

    `measure_scan` are the seconds that scoring a predicted scan takes.
    """
    from competition.net import timing

    amount, began = found.amount, clock()
    slices = amounts.training_slices(config, amount)
    timed = timing.measure(config, amount.classes, slices=slices, depth=amount.depth)
    # The next network needs the memory of this one.
    gc.collect()
    step, slice = timed.step or math.inf, timed.slice or 0.0
    steps = min((timing.WARM_UP + timing.TIMED) * step, timing.MOST_SECONDS)
    held_out = amount.scans / amount.folds
    scored = min(config.training.score_scans or held_out, held_out)
    in_scan = amounts.slices(config, amount) / amount.scans
    # Scoring an epoch predicts a slice only once, without test-time augmentation.
    score = DECIDING * scored * (in_scan * slice / timed.views + measure_scan)
    return Pace(
        load=load,
        build=max(0.0, clock() - began - steps),
        step=step,
        score=score,
        predict=held_out * in_scan * slice,
    )
