"""The nested search on scores that are written down by hand."""

import dataclasses

import numpy as np
import pytest

from competition.core import metric
from competition.core.rules import Rule
from competition.decide import search

FOUR = [search.ScanGroup(i, fold=i // 2, case=i) for i in range(4)]
STEP = search.SearchStep(
    "threshold", lambda rule: [dataclasses.replace(rule, threshold=t) for t in (0.3,)]
)


def rows(*dice):
    """A scan a value: one slice of that Dice, and a distance of 0."""
    return np.array([[value, 1, 0.0, 1] for value in dice])


def run(by_threshold, *, scans=FOUR, steps=(STEP,)):
    """Search one class whose Dice by scan is known for each threshold."""
    table = [{}]

    def measure(wanted):
        for rule in wanted[0]:
            table[0][rule] = rows(*by_threshold[rule.threshold])

    return search.search(steps, scans, start=[Rule()], table=table, measure=measure)


def test_what_helps_everywhere_is_kept_and_counted():
    found = run({0.5: [0.5] * 4, 0.3: [0.6] * 4})
    assert found.rules == [Rule(0.3)]
    assert found.baseline == pytest.approx(0.4 * 0.5 + 0.6)
    assert found.nested == found.in_sample == pytest.approx(0.4 * 0.6 + 0.6)
    assert found.gains == {"threshold": pytest.approx(0.04)}
    assert found.kept == {"threshold": [pytest.approx(0.04)]}


def test_what_is_lost_on_the_other_fold_is_switched_off():
    # Fold 0 would choose 0.3, which ruins fold 1, though on all it is better.
    found = run({0.5: [0.2, 0.2, 0.5, 0.5], 0.3: [0.9, 0.9, 0.1, 0.1]})
    assert found.rules == [Rule()]
    assert found.in_sample == found.baseline
    # The search was tested too: told of fold 0 alone it does go wrong on fold 1.
    assert found.nested < found.baseline
    assert found.gains["threshold"] == pytest.approx(found.nested - found.baseline)


def test_the_other_classes_count_in_the_choice_but_stay():
    table = [{Rule(): rows(0.5, 0.5), Rule(0.3): rows(0.6, 0.6)}, {Rule(): rows(1, 1)}]
    searched = search.NestedSearch(FOUR[1:3], [Rule(), Rule()])
    for by_rule in table:
        for rule, numbers in by_rule.items():
            by_rule[rule] = np.pad(numbers, ((1, 1), (0, 0)))
    only_first = search.SearchStep(
        "a", lambda rule: [Rule(0.3)] if rule in table[0] else []
    )
    table[1][Rule(0.3)] = np.tile([0.0, 1, 1, 1], (4, 1))
    gains = searched.take(only_first, table)
    assert gains == [pytest.approx(0.4 * 0.05), 0.0]
    assert searched.main.rules == [Rule(0.3), Rule()]


def test_no_path_saw_what_it_is_tested_on():
    searched = search.NestedSearch(FOUR[:3], [Rule()], left=[3])
    for path in searched.inner:
        assert not set(path.chosen_on) & set(path.tested_on)
        assert sorted(path.chosen_on + path.tested_on) == [0, 1, 2]
    assert searched.main.tested_on == [3] and 3 not in searched.main.chosen_on


def test_parts_are_folds_else_cases_else_scans():
    assert search.split(FOUR) == [[0, 1], [2, 3]]
    assert search.split(FOUR[:2]) == [[0], [1]]
    days = [search.ScanGroup(i, fold=0, case=7) for i in (4, 5, 6)]
    assert search.split(days) == [[4], [5], [6]]
    assert search.split(days[:1]) == []
    many = [search.ScanGroup(i, fold=0, case=i) for i in range(7)]
    assert search.split(many) == [[0, 5], [1, 6], [2], [3], [4]]


def test_of_one_scan_there_is_no_honest_score():
    found = run({0.5: [0.5], 0.3: [0.6]}, scans=FOUR[:1])
    assert found.nested is None
    assert found.rules == [Rule(0.3)] and found.gains == {"threshold": 0.0}


def test_the_score_is_the_metrics_own():
    rng = np.random.default_rng(0)
    measured, numbers = {}, []
    for scan in range(5):
        truth, predicted = rng.random((2, 4, 6, 6)) > rng.choice([0.7, 1.0])
        one = metric.measure(
            truth.astype(np.uint8), predicted.astype(np.uint8), classes=1
        )
        measured[str(scan)] = one
        dice, distance = one.by_class[0].dice, one.by_class[0].hausdorff_per_class
        numbers.append(
            [
                np.nansum(dice),
                np.sum(~np.isnan(dice)),
                np.nan_to_num(distance),
                not np.isnan(distance),
            ]
        )
    expected = metric.summarise(measured, ["a"])["score_per_class"]
    assert search.score(np.array(numbers)) == pytest.approx(expected)


def test_nothing_to_find_and_nothing_found_is_right():
    assert search.score(np.zeros((3, 4))) == 1.0
