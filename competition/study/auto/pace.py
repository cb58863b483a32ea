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

# Deciding and the submission may need as much of a budget; `run` keeps it as well.
FINISH = 0.1
# Steps on real data may take so much longer than those timed, on a machine so busy.
MARGIN = 0.1
# A score takes so much longer than its predictions and its metric: probabilities are
# rounded, and a rule decides. It took 1.6 and 2 times as long on two data sets.
DECIDING = 1.8
# Scores take no more of a training, and there are no more of them.
SCORING, MOST_SCORES = 0.1, 8
# Loading the framework takes at least this; here it may be loaded already. The rest of
# a fold's process is its interpreter, its tables and its last files.
LOADING, PROCESS = 6.0, 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of the parts of a training.

    `load` is that of a process and its framework, `build` that of a network until its
    first step and its first prediction. `step` is without end where no memory is left.
    `score` is that of the held-out scans once, `predict` that of the scans that a fold
    holds out.
    """

    load: float
    build: float
    step: float
    score: float
    predict: float

    @property
    def start(self) -> float:
        """Return the seconds in which a fold makes no step, at its beginning."""
        return self.load + self.build

    def scores(self, seconds: float) -> int:
        """Return how often a fold that has so much time can be scored."""
        most = SCORING * (seconds - self.start) / max(self.score, 1e-9)
        return max(1, min(MOST_SCORES, int(most)))

    def steps(self, seconds: float) -> float:
        """Return the steps of a fold that has so much time, or 0."""
        scoring = self.scores(seconds) * self.score
        return max(0.0, seconds - self.start - scoring) / self.step


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """A time that planning, training and the steps after it share.

    It is `whole` seconds long and ends at `limit`, so that what planning takes is no
    longer left. `at_once` is how many folds are trained at the same time, and
    `networks` how many networks one after the other.
    """

    whole: float
    limit: deadline.Deadline
    at_once: int
    networks: int = 1

    def of_fold(self, folds: int, pace: Pace) -> float:
        """Return the seconds of each fold that is trained, its start included."""
        rounds = self.networks * math.ceil(folds / self.at_once)
        after = FINISH * self.whole + rounds * (pace.build + pace.predict)
        return (1 - MARGIN) * max(0.0, self.limit.left() - after) / rounds

    def steps(self, folds: int, pace: Pace) -> float:
        """Return the steps that each of so many folds has the time for."""
        return pace.steps(self.of_fold(folds, pace))


def loading(clock: deadline.Clock = time.monotonic) -> float:
    """Load the framework; return the seconds that a fold's process takes for it."""
    began = clock()
    from competition.net import timing  # noqa: F401

    return PROCESS + max(LOADING, clock() - began)


def measured(
    dataset: layout.DatasetFiles, classes: int, clock: deadline.Clock = time.monotonic
) -> float:
    """Return the seconds in which the score of a prepared scan is computed."""
    table, store = slice_table.read(dataset), arrays.Arrays(dataset)
    scans = slice_table.scans(table)
    truth = np.asarray(store.masks(scans[len(scans) // 2]))
    began = clock()
    # Nothing to count costs nothing, so an error is made.
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

    `measure_scan` are the seconds in which a predicted scan is compared with its masks.
    """
    from competition.net import timing

    amount, began = found.amount, clock()
    slices = amounts.training_slices(config, amount)
    timed = timing.measure(config, amount.classes, slices=slices)
    # The next network needs the memory of this one.
    gc.collect()
    step, slice = timed.step or math.inf, timed.slice or 0.0
    steps = min((timing.WARM_UP + timing.TIMED) * step, timing.MOST_SECONDS)
    held_out = amount.scans / amount.folds
    scored = min(config.training.score_scans or held_out, held_out)
    in_scan = amounts.slices(config, amount) / amount.scans
    # An epoch is scored without the other views of a slice.
    score = DECIDING * scored * (in_scan * slice / timed.views + measure_scan)
    return Pace(
        load=load,
        build=max(0.0, clock() - began - steps),
        step=step,
        score=score,
        predict=held_out * in_scan * slice,
    )
