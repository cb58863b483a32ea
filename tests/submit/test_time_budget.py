"""The networks that fit into the time that is left."""

import pytest

from competition.machine import deadline
from competition.submit import time_budget

FULL = time_budget.NetworkSubset(
    members=("strong", "weak"),
    gates=("gate",),
    folds={"strong": (0, 1), "weak": (0, 1, 2), "gate": (0,)},
    views={"strong": 2, "weak": 1, "gate": 1},
)
TWICE = time_budget.NetworkSubset(
    ("a", "b"), (), {"a": (0, 1), "b": (0, 1)}, {"a": 2, "b": 2}
)


def test_forward_passes_are_counted():
    assert FULL.passes == 2 * 2 + 3 + 1


def test_tta_goes_first_then_the_weakest_member_then_folds():
    passes, step = [], FULL
    while step:
        passes.append(step.passes)
        last, step = step, step.smaller()
    assert passes == [8, 6, 3, 2]
    assert last.members == ("strong",)
    assert last.folds["strong"] == (0,)
    assert str(last) == "no TTA, strong with 1 folds, gate with 1 folds"


def test_gates_go_last_and_one_of_them_stays():
    runs = "draws", "one", "two"
    gated = time_budget.NetworkSubset(
        ("draws",), ("one", "two"), dict.fromkeys(runs, (0, 1)), dict.fromkeys(runs, 1)
    )
    passes, step = [], gated
    while step:
        passes.append(step.passes)
        last, step = step, step.smaller()
    assert passes == [6, 3, 2]
    assert last.runs == ("draws", "one")


def test_a_member_that_is_the_gate_too_is_counted_once():
    both = time_budget.NetworkSubset(("a",), ("a",), {"a": (0,)}, {"a": 1})
    assert both.passes == 1
    assert both.smaller() is None


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def start(clock, seconds, *, slices=100):
    warnings = []
    limit = deadline.Deadline(seconds, clock)
    return time_budget.TimeBudget(
        TWICE, limit, slices=slices, warn=warnings.append
    ), warnings


def test_without_a_limit_all_networks_predict(clock):
    budget = time_budget.TimeBudget(TWICE, None, slices=100, warn=pytest.fail)
    budget.record(10, 1e9)
    assert budget.allows(10)
    assert budget.networks == TWICE


def test_without_a_measured_rate_the_first_scan_is_predicted(clock):
    budget, _ = start(clock, 1)
    assert budget.allows(100)


@pytest.mark.parametrize(
    ("seconds", "passes"), [(801, 8), (799, 4), (399, 2), (199, 1), (101, 1)]
)
def test_the_networks_become_fewer_until_the_rest_fits(clock, seconds, passes):
    # A slice and forward pass takes a second, 100 slices are left.
    budget, warnings = start(clock, seconds)
    budget.record(10, 80)
    assert budget.allows(10)
    assert budget.networks.passes == passes
    assert len(warnings) == {8: 0, 4: 1, 2: 2, 1: 3}[passes]


def test_the_warning_says_what_is_left_out(clock):
    budget, warnings = start(clock, 700)
    budget.record(10, 80)
    budget.allows(10)
    assert warnings == [
        "100 slices would take 13m20s with TTA, a with 2 folds, b with 2 folds, 11m40s "
        "are left: now with no TTA, a with 2 folds, b with 2 folds."
    ]


def test_where_nothing_helps_scans_are_predicted_while_each_fits(clock):
    budget, _ = start(clock, 25)
    budget.record(10, 80)
    predicted = 0
    for _ in range(10):
        if budget.allows(10):
            predicted += 1
            clock.now += 10
        budget.finish(10)
    assert predicted == 2
    assert clock.now <= 25


def test_one_slow_scan_changes_nothing_and_a_slow_machine_does(clock):
    budget, _ = start(clock, 1000)
    for seconds in (8, 8, 8, 800):
        budget.record(1, seconds)
    assert budget.seconds(100) == 800
    for _ in range(3):
        budget.record(1, 800)
    assert budget.seconds(100) == 80_000


def test_after_the_end_no_scan_is_predicted(clock):
    budget, _ = start(clock, 10)
    clock.now = 11
    assert not budget.allows(1)
