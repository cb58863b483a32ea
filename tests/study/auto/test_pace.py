"""What of a budget is left for steps, by a clock that is pretended."""

import dataclasses
import math

import numpy as np
import pytest

from competition.core.experiment import configs
from competition.machine import deadline
from competition.net import timing
from competition.study import amounts, auto
from competition.study.auto import findings, pace
from tests.study.auto import test_auto
from tests.study.plan import test_plan

PACE = pace.Pace(load=6.0, build=4.0, step=0.1, score=2.0, predict=5.0)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def budget(seconds, *, used=0.0, at_once=1):
    clock = Clock()
    limit = deadline.Deadline(seconds, clock)
    clock.now = used
    return pace.Budget(seconds, limit, at_once)


def test_a_fold_has_no_time_for_steps_while_it_starts_and_is_scored():
    # Of 100 seconds 10 are the start; 10 % of the others are 4 scores of 2 seconds.
    assert PACE.scores(100.0) == 4
    assert PACE.steps(100.0) == pytest.approx((100 - 10 - 4 * 2) / 0.1)
    assert PACE.steps(5.0) == 0
    assert dataclasses.replace(PACE, step=np.inf).steps(100.0) == 0


def test_scores_are_few_even_where_there_is_time():
    assert PACE.scores(10**5) == pace.MOST_SCORES
    assert PACE.scores(0.0) == 1


def test_planning_and_the_steps_after_training_are_taken_off():
    # A tenth to decide and submit, and 4 + 5 seconds a fold to predict.
    given = budget(1000.0, used=55.0)
    after = 100 + 5 * 9
    assert given.of_fold(5, PACE) == pytest.approx(0.9 * (945 - after) / 5)
    assert budget(100.0, used=200.0).of_fold(5, PACE) == 0


def test_folds_beside_each_other_have_the_whole_time():
    given = budget(1000.0, at_once=5)
    assert given.of_fold(5, PACE) == pytest.approx(0.9 * (900 - 9))
    assert given.steps(5, PACE) == given.steps(1, PACE)


def test_folds_of_one_network_do_not_run_beside_those_of_another():
    given = dataclasses.replace(budget(1000.0, at_once=2), networks=2)
    # Each network takes two rounds of its three folds.
    assert given.of_fold(3, PACE) == pytest.approx(0.9 * (900 - 4 * 9) / 4)


def test_what_is_timed_tells_start_and_score(monkeypatch):
    clock = Clock()

    def measure(config, classes, *, slices, depth):
        # 23 steps of 0.1 seconds, and 7 seconds to build and compile.
        clock.now += 2.3 + 7
        return test_plan.MEASURED

    monkeypatch.setattr(timing, "measure", measure)
    config = configs.load("base")
    found = pace.of(
        config, found=test_auto.FOUND, load=6.0, measure_scan=0.5, clock=clock
    )
    assert found.start == pytest.approx(13)
    # A fold holds out 2 of 10 scans, of 100 slices in 2 views of 0.01 seconds in all.
    score = 2 * (100 * 0.01 / 2 + 0.5)
    assert found.score == pytest.approx(pace.DECIDING * score)
    assert found.predict == pytest.approx(2 * 100 * 0.01)


def test_all_epochs_of_a_plan_end_within_the_budget(finished, monkeypatch):
    job, _ = finished
    clock, timed = Clock(), []

    def measure(config, classes, *, slices, depth):
        timed.append(config)
        clock.now += 20.0
        return test_plan.MEASURED

    monkeypatch.setattr(timing, "measure", measure)
    path = auto.write(job.dataset, "10m", clock=clock)
    config = configs.load(str(path))
    path.unlink()
    training, found = config.training, findings.of(job.dataset)
    load = pace.LOADING + pace.PROCESS
    now = pace.of(config, found=found, load=load, measure_scan=0.0, clock=clock)
    scores = math.ceil(training.epochs / training.score_every)
    steps = training.epochs * amounts.steps(config, found.amount)
    fold = now.start + steps * now.step + scores * now.score
    taken = 20 * (len(timed) - 1) + len(config.folds) * fold + pace.FINISH * 600
    assert len(config.folds) == found.amount.folds
    assert 0.7 * 600 < taken <= 600
