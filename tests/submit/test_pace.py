"""The effort that fits into what is left of the time."""

import pytest

from competition.machine import deadline
from competition.submit import effort, pace

FULL = effort.Effort(("a", "b"), (), {"a": (0, 1), "b": (0, 1)}, {"a": 2, "b": 2})


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def start(clock, seconds, *, slices=100):
    said = []
    end = deadline.Deadline(seconds, clock)
    return pace.Pace(FULL, end, slices=slices, say=said.append), said


def test_without_an_end_nothing_is_lowered(clock):
    paced = pace.Pace(FULL, None, slices=100, say=pytest.fail)
    paced.record(10, 1e9)
    assert paced.allows(10)
    assert paced.effort == FULL


def test_without_a_measured_rate_the_first_scan_is_predicted(clock):
    paced, _ = start(clock, 1)
    assert paced.allows(100)


@pytest.mark.parametrize(
    ("seconds", "cost"), [(801, 8), (799, 4), (399, 2), (199, 1), (101, 1)]
)
def test_the_effort_is_lowered_until_the_rest_fits(clock, seconds, cost):
    # A slice and forward pass takes a second, 100 slices are left.
    paced, said = start(clock, seconds)
    paced.record(10, 80)
    assert paced.allows(10)
    assert paced.effort.cost == cost
    assert len(said) == {8: 0, 4: 1, 2: 2, 1: 3}[cost]


def test_what_was_dropped_is_said(clock):
    paced, said = start(clock, 700)
    paced.record(10, 80)
    paced.allows(10)
    assert said == [
        "100 slices would take 13m20s with TTA, a with 2 folds, b with 2 folds, 11m40s "
        "are left: now with no TTA, a with 2 folds, b with 2 folds."
    ]


def test_where_nothing_helps_scans_are_predicted_while_each_fits(clock):
    paced, _ = start(clock, 25)
    paced.record(10, 80)
    predicted = 0
    for _ in range(10):
        if paced.allows(10):
            predicted += 1
            clock.now += 10
        paced.done(10)
    assert predicted == 2
    assert clock.now <= 25


def test_one_slow_scan_changes_nothing_and_a_slow_machine_does(clock):
    paced, _ = start(clock, 1000)
    for seconds in (8, 8, 8, 800):
        paced.record(1, seconds)
    assert paced.seconds(100) == 800
    for _ in range(3):
        paced.record(1, 800)
    assert paced.seconds(100) == 80_000


def test_after_the_end_no_scan_is_predicted(clock):
    paced, _ = start(clock, 10)
    clock.now = 11
    assert not paced.allows(1)
