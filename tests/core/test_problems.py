"""Problems are collected, and reported at once."""

import pytest

from competition.core import problems


def test_the_first_twenty_are_shown_and_the_others_counted_by_kind():
    faults = [problems.Problem("images", f"image {n}") for n in range(19)]
    faults += [problems.Problem("rows", f"row {n}") for n in range(3)]
    faults += [problems.Problem("images", "one more")]
    lines = problems.report(faults).splitlines()
    assert lines[:20] == [*(f"image {n}" for n in range(19)), "row 0"]
    assert lines[20:] == ["... and 2 more: rows", "... and 1 more: images"]


def test_without_problems_no_error_is_raised():
    problems.raise_if_any([])


def test_a_problem_is_raised():
    with pytest.raises(ValueError, match=r"^broken$"):
        problems.raise_if_any([problems.Problem("images", "broken")])
