"""The paired bootstrap on numbers that are written down by hand."""

import numpy as np
import pytest

from competition.report import paired


def numbers(*dice, distance=0.0):
    """The numbers of a case for each Dice: a slice, with or without its class."""
    rows = [[d, 1, d, 1, distance, 1, distance, 1] for d in dice]
    return np.array(rows, float)


def test_a_gain_in_every_case_is_certain_and_has_no_spread():
    found = paired.bootstrap(numbers(0.5, 0.6, 0.8), numbers(0.6, 0.7, 0.9))
    gain = found["dice"]
    assert gain.first == pytest.approx(1.9 / 3) and gain.other == pytest.approx(2.2 / 3)
    assert gain[2:6] == pytest.approx((0.1, 0.1, 0.1, 0.1)) and gain.better == 1
    assert found["score_per_class"].difference == pytest.approx(0.04)


def test_the_interval_is_that_of_the_mean_of_independent_gains():
    gains = np.random.default_rng(1).normal(0.01, 0.05, 400)
    first = np.full(400, 0.5)
    found = paired.bootstrap(numbers(*first), numbers(*first + gains))["dice"]
    half = 1.96 * gains.std() / 20
    assert found.mean == pytest.approx(gains.mean(), abs=half / 20)
    assert found.low == pytest.approx(gains.mean() - half, abs=half / 10)
    assert found.high == pytest.approx(gains.mean() + half, abs=half / 10)


def test_the_same_seed_draws_the_same_cases():
    both = numbers(0.5, 0.6, 0.8), numbers(0.9, 0.1, 0.7)
    assert paired.bootstrap(*both) == paired.bootstrap(*both)
    assert paired.bootstrap(*both) != paired.bootstrap(*both, seed=1)


def test_of_distances_the_smaller_is_better():
    cases = numbers(0.5, 0.5, distance=0.3), numbers(0.5, 0.5, distance=0.1)
    found = paired.bootstrap(*cases)
    assert found["hausdorff_per_class"].difference == pytest.approx(-0.2)
    assert found["hausdorff_per_class"].better == 1
    assert found["score_per_class"].difference == pytest.approx(0.12)


def test_a_single_case_tells_nothing_of_others():
    found = paired.bootstrap(numbers(0.5), numbers(0.7))["dice"]
    assert found.difference == pytest.approx(0.2)
    assert found[3:] == (None, None, None, None)


def test_what_one_of_them_has_not_is_left_out():
    nothing = numbers(0.0)
    nothing[:, :2] = 0
    found = paired.bootstrap(numbers(0.5), nothing)
    assert "dice" not in found and "score_merged" not in found
    assert "dice_with_empty" in found
