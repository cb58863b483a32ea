"""Reliability curves and expected errors of counted probabilities."""

import numpy as np
import pytest

from competition.core import calibration


def pixels(*pairs):
    """Pixels of (value, is of the class, how many) as a scan of one slice."""
    values = np.concatenate([np.full(n, value, np.uint8) for value, _, n in pairs])
    truth = np.concatenate([np.full(n, is_of, bool) for _, is_of, n in pairs])
    return values[None, None], truth[None, None]


def summary(*pairs):
    return calibration.summarise(calibration.count(*pixels(*pairs)))


def test_a_probability_that_comes_true_as_often_as_it_says_has_no_error():
    # Of 5 pixels at 204 / 255 = 0.8 four are of the class.
    exact = summary((0, False, 90), (204, True, 4), (204, False, 1), (255, True, 5))
    assert exact["expected_error"] == pytest.approx(0)
    assert exact["expected_error_likely"] == pytest.approx(0)
    assert exact["curve"] == [
        {"probability": 0.0, "share": 0.0, "pixels": 90},
        {"probability": pytest.approx(0.8), "share": pytest.approx(0.8), "pixels": 5},
        {"probability": 1.0, "share": 1.0, "pixels": 5},
    ]


def test_background_hides_the_error_of_the_likely_pixels():
    # 10 pixels at 0.6 of which none is of the class, among 990 that are background.
    sure = summary((0, False, 990), (153, False, 10))
    assert sure["expected_error"] == pytest.approx(0.6 * 10 / 1000)
    assert sure["expected_error_likely"] == pytest.approx(0.6)


def test_a_miss_counts_though_its_probability_is_0():
    missed = summary((0, False, 60), (0, True, 40))
    assert missed["expected_error"] == pytest.approx(0.4)
    assert missed["expected_error_likely"] is None


def test_the_counts_of_scans_add_up():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (6, 5, 4), np.uint8)
    truth = rng.random(values.shape) < values / 255
    parts = [calibration.count(values[s], truth[s]) for s in np.split(np.arange(6), 3)]
    counts = calibration.count(values, truth)
    np.testing.assert_array_equal(sum(parts), counts)
    assert counts[0].sum() == values.size and counts[1].sum() == truth.sum()


def test_without_a_pixel_there_is_no_error():
    nothing = calibration.summarise(np.zeros((2, calibration.VALUES), int))
    assert nothing == {
        "expected_error": None, "expected_error_likely": None, "curve": [],
    }  # fmt: skip
