"""The nested search on scores that are written down by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from competition.core import metric
from competition.core.experiment import configs
from competition.core.rules import Rule
from competition.decide import candidates, search


def scans(folds, cases):
    return pd.DataFrame({"fold": folds, "case": cases})


FOUR = scans([0, 0, 1, 1], [0, 1, 2, 3])


def lower(rule):
    return [dataclasses.replace(rule, threshold=0.3)]


def rows(*dice):
    """Numbers by scan: one slice of each Dice value, and a distance of 0."""
    return np.array([[value, 1, 0.0, 1] for value in dice])


def run(by_threshold, *, scans=FOUR):
    """Search one class whose Dice by scan is known for each threshold."""

    def measure(_, wanted):
        return [{rule: rows(*by_threshold[rule.threshold]) for rule in wanted[0]}]

    return search.search({"threshold": lower}, scans, ["a"], measure)[:2]


def test_a_step_that_helps_everywhere_is_kept_and_counted():
    rules, scores = run({0.5: [0.5] * 4, 0.3: [0.6] * 4})
    assert rules == [Rule(0.3)]
    nested = scores["nested"]
    assert scores["baseline"] == pytest.approx(0.4 * 0.5 + 0.6)
    assert nested["score"] == scores["in_sample"] == pytest.approx(0.4 * 0.6 + 0.6)
    assert nested["gains"] == {"threshold": pytest.approx(0.04)}
    assert nested["kept"] == {"threshold": {"a": pytest.approx(0.04)}}


def test_a_step_that_loses_on_the_other_fold_is_not_kept():
    # Fold 0 would choose 0.3, which ruins fold 1, though on all it is better.
    rules, scores = run({0.5: [0.2, 0.2, 0.5, 0.5], 0.3: [0.9, 0.9, 0.1, 0.1]})
    assert rules == [Rule()]
    assert scores["in_sample"] == scores["baseline"]
    # The search on fold 0 alone keeps the step, and so loses on fold 1.
    lost = scores["nested"]["score"] - scores["baseline"]
    assert lost < 0
    assert scores["nested"]["gains"]["threshold"] == pytest.approx(lost)


def test_the_other_classes_count_in_the_choice_but_stay():
    low = Rule(0.3)
    table = [
        {Rule(): rows(*[0.5] * 4), low: rows(*[0.6] * 4)},
        {Rule(): rows(*[1] * 4)},
    ]
    table[1][low] = np.tile([0.0, 1, 1, 1], (4, 1))
    paths, gains = search.take(
        search.paths_on(FOUR[1:3], [Rule(), Rule()]), lower, table
    )
    assert gains == [pytest.approx(0.4 * 0.05), 0.0]
    assert paths[0].rules == [low, Rule()]


def test_no_path_is_chosen_on_the_scans_that_it_is_scored_on():
    first, *others = search.paths_on(FOUR[:3], [Rule()], test=[3])
    for path in others:
        assert not set(path.train) & set(path.test)
        assert sorted(path.train + path.test) == [0, 1, 2]
    assert first.test == [3] and 3 not in first.train


def test_splits_are_folds_else_cases_else_scans():
    def tests(scans):
        return [test for _, test in search.splits(scans)]

    assert tests(FOUR) == [[0, 1], [2, 3]]
    assert tests(FOUR[:2]) == [[0], [1]]
    days = scans(0, [7] * 7)[4:]
    assert tests(days) == [[4], [5], [6]]
    assert tests(days[:1]) == []
    assert tests(scans(0, range(7))) == [[0, 5], [1, 6], [2], [3], [4]]


def test_a_single_scan_has_no_nested_score():
    rules, scores = run({0.5: [0.5], 0.3: [0.6]}, scans=FOUR[:1])
    assert scores["nested"]["score"] is None
    assert rules == [Rule(0.3)] and scores["nested"]["gains"] == {"threshold": 0.0}


def test_the_score_is_the_metrics_own():
    rng = np.random.default_rng(0)
    measured, numbers = {}, []
    for scan in range(5):
        masks = (rng.random((2, 4, 6, 6)) > rng.choice([0.7, 1.0])).astype(np.uint8)
        measured[str(scan)] = metric.measure(*masks, classes=1)
        pair = measured[str(scan)].by_class[0]
        numbers.append(
            [
                np.nansum(pair.dice),
                np.sum(~np.isnan(pair.dice)),
                np.nan_to_num(pair.hausdorff_per_class),
                not np.isnan(pair.hausdorff_per_class),
            ]
        )
    expected = metric.summarise(measured, ["a"])["score_per_class"]
    assert search.score(np.array(numbers)) == pytest.approx(expected)


def test_the_score_without_any_value_is_one():
    assert search.score(np.zeros((3, 4))) == 1.0


def test_weights_are_chosen_behind_the_gate():
    """Without a gate the first member draws in empty slices, and seems the worse."""
    without = {(1.0, 0.0): 0.2, (0.0, 1.0): 0.5, (): 0.4}
    behind = {(1.0, 0.0): 0.9, (0.0, 1.0): 0.5, (): 0.7}

    def measure(_, wanted):
        return [
            {
                rule: rows(*[(behind if rule.gate else without)[rule.weights]] * 4)
                for rule in wanted[0]
            }
        ]

    every = candidates.steps(configs.load("base").decide, members=2)
    steps = {k: every[k] for k in ("gate, first", "one member", "gate")}
    (rule,), _, _ = search.search(steps, FOUR, ["a"], measure)
    assert rule.weights == (1.0, 0.0) and rule.gate
