"""Which slices hold a class."""

import hypothesis
import numpy as np
import pytest
from hypothesis.extra import numpy as arrays

from competition.core.regions import gating


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("000000", "000000"),
        ("111111", "111111"),
        ("000100", "000000"),
        ("111011", "111111"),
        ("001100", "000000"),
        ("001110", "001111"),  # an end needs three absent slices
        ("0011000", "0000000"),
        ("00111000", "00111000"),
        ("11100111", "11111111"),
        ("111000111", "111000111"),
        ("0001101100", "0001111111"),  # the gap is filled first, then 5 make a run
        ("001", "000"),
        # So few are no run: single images would all be empty.
        ("01", "01"),
        ("1", "1"),
    ],
)
def test_lone_values_flip_and_runs_need_three(before, after):
    present = np.array([value == "1" for value in before])
    smoothed = "".join("01"[int(value)] for value in gating.smooth(present))
    assert smoothed == after


slices = arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=1, max_side=40))


@hypothesis.settings(deadline=None)
@hypothesis.given(slices)
def test_smoothing_twice_is_smoothing_once(present):
    once = gating.smooth(present)
    assert (gating.smooth(once) == once).all()


@hypothesis.settings(deadline=None)
@hypothesis.given(slices)
def test_runs_within_a_scan_are_three_slices_or_more(present):
    hypothesis.assume(len(present) >= 3)
    edges = np.flatnonzero(np.diff(gating.smooth(present).astype(int))) + 1
    assert (np.diff([*edges, len(present)]) >= 3).all() or not len(edges)


@pytest.mark.parametrize(
    ("before", "apart", "after"),
    [
        ("000000", 2, "000000"),
        ("011110", 2, "011110"),
        ("110011110", 1, "000011110"),
        ("110011110", 2, "111111110"),
        ("0111000010", 3, "0111000000"),
        # A stretch joins by the one between.
        ("10010011100001", 2, "11111111100000"),
        ("1100011", 2, "1100000"),
        ("1", 1, "1"),
    ],
)
def test_one_stretch_is_the_longest_with_those_near_it(before, apart, after):
    present = np.array([value == "1" for value in before])
    stretch = gating.one_stretch(present, apart)
    assert "".join("01"[int(value)] for value in stretch) == after


@hypothesis.settings(deadline=None)
@hypothesis.given(slices, hypothesis.strategies.integers(1, 9))
def test_a_stretch_has_no_gaps_and_stays_one(present, apart):
    once = gating.one_stretch(present, apart)
    edges = np.diff(once.astype(int), prepend=0, append=0)
    assert np.abs(edges).sum() == 2 * present.any()
    assert (gating.one_stretch(once, apart) == once).all()
    assert once[present].any() == present.any()


def likely(*pixels):
    """Make slices of 20 pixels, each with this number of them at 0.7, the others 0."""
    probability = np.zeros((len(pixels), 4, 5), np.uint8)
    for index, count in enumerate(pixels):
        probability[index].ravel()[:count] = 179
    return probability


def test_enough_pixels_must_exceed_the_probability():
    surely = np.full(3, 255, np.uint8)
    gated = gating.present(likely(11, 12, 13), surely, (12, 0.6, 0.5))
    assert gated.tolist() == [False, True, True]
    assert not gating.present(likely(20), surely[:1], (12, 0.71, 0.5)).any()


def test_the_presence_must_be_reached_whatever_the_pixels():
    given = np.array([127, 128], np.uint8)
    assert gating.present(likely(20, 20), given, (12, 0.6, 0.5)).tolist() == [
        False,
        True,
    ]
    assert gating.present(likely(0, 0), given, (0, 0.6, 0.5)).tolist() == [False, True]
