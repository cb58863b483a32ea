"""The scores of groups of scans: those of all are those of the whole score."""

import numpy as np
import pytest

from competition.core import metric
from competition.report import pooling

CLASSES = ("bowel", "stomach")
GROUPS = {"case1_day0": 1, "case1_day1": 1, "case2_day0": 2}


@pytest.fixture(scope="module")
def measured():
    """Three scans of random masks; in the last one nothing is of the second class."""
    rng = np.random.default_rng(0)
    volumes = {scan: rng.integers(0, 4, (2, 5, 6, 7), np.uint8) for scan in GROUPS}
    volumes["case2_day0"] &= 1
    volumes["case1_day0"][:, 2:] = 0
    return {scan: metric.measure(*both, classes=2) for scan, both in volumes.items()}


@pytest.mark.parametrize("scans", [[*GROUPS], ["case2_day0"], [*GROUPS][:2]])
def test_a_group_scores_as_its_scans_alone_would(measured, scans):
    numbers = pooling.numbers(
        metric.summarise(measured, CLASSES), dict.fromkeys(GROUPS, 5)
    )
    chosen = {scan: numbers[scan] for scan in scans}
    (pooled,) = pooling.pooled(chosen, dict.fromkeys(scans, 0)).values()
    expected = metric.summarise({s: measured[s] for s in scans}, CLASSES)
    assert pooled == pytest.approx({name: expected[name] for name in pooled})


def test_groups_come_in_their_order(measured):
    numbers = pooling.numbers(
        metric.summarise(measured, CLASSES), dict.fromkeys(GROUPS, 5)
    )
    turned = dict(reversed(numbers.items()))
    assert list(pooling.pooled(turned, GROUPS)) == [1, 2]


def test_a_score_without_the_number_of_slices_has_no_groups(measured):
    result = metric.summarise(measured, CLASSES)
    del result["by_scan"]["case1_day0"]["bowel"]["slices"]
    assert pooling.numbers(result, dict.fromkeys(GROUPS, 5)) == {}


def test_nothing_in_truth_and_prediction_has_no_score():
    empty = np.zeros((5, 6, 7), np.uint8)
    result = metric.summarise({"a": metric.measure(empty, empty, classes=2)}, CLASSES)
    pooled = pooling.pooled(pooling.numbers(result, {"a": 5}), {"a": 0})[0]
    assert pooled.pop("dice_with_empty") == 1 and set(pooled.values()) == {None}
    assert pooling.spread({0: pooled}, "dice") is None


def test_the_spread_of_three_groups():
    groups = {n: {"dice": value} for n, value in enumerate((0.5, 0.7, 0.9))}
    found = pooling.spread({**groups, 3: {"dice": None}}, "dice")
    assert found.groups == 3 and found.deviation == pytest.approx(0.2)
    assert found[2:] == pytest.approx((0.5, 0.6, 0.7, 0.8, 0.9))
