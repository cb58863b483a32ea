"""Charts: round ticks, and points where they belong."""

import pytest

from competition.core.pages import charts


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([1, 6], ["1", "2", "3", "4", "5", "6"]),
        ([0.871, 0.926], ["0.87", "0.88", "0.89", "0.90", "0.91", "0.92", "0.93"]),
        ([0, 2600], ["0", "500", "1,000", "1,500", "2,000", "2,500", "3,000"]),
        ([-1, 1], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round_and_go_from_below_to_above(values, expected):
    assert charts.texts(charts.ticks(values)) == expected


@pytest.mark.parametrize("value", [0.0, 7.0, -0.3, 1e-6, 2e-13])
def test_a_single_value_lies_within_the_ticks(value):
    ticks = charts.ticks([value])
    assert ticks[0] < value < ticks[-1] and len(ticks) < 10


def test_values_that_differ_by_rounding_are_one():
    ticks = charts.ticks([0.9, 0.9 + 2e-15])
    assert ticks[0] < 0.9 < ticks[-1] and len(set(ticks)) == len(ticks)


def test_points_are_placed_between_the_ends_of_the_axes():
    series = charts.Series("a", [(0, 0), (5, 0.5), (10, 1)], "class0")
    drawing = charts.draw(charts.Chart("t", "x", "y", [series]))
    (left, _), *_, (right, _) = drawing.x_ticks
    (bottom, _), *_, (top, _) = drawing.y_ticks
    middle = (left + right) / 2, (bottom + top) / 2
    places = [(left, bottom), middle, (right, top)]
    assert drawing.lines == [("class0", " ".join(f"{x:g},{y:g}" for x, y in places))]
    assert [mark[:2] for mark in drawing.marks[0][1]] == places


def test_long_lines_have_no_marks_and_loose_points_no_line():
    line = charts.Series("line", [(x, x) for x in range(100)], "class0")
    dots = charts.Series("dots", [(1, 2)], "class1", joined=False, labels=["here"])
    drawing = charts.draw(charts.Chart("t", "x", "y", [line, dots]))
    assert [css for css, _ in drawing.lines] == ["class0"]
    ((css, (mark,)),) = drawing.marks
    assert css == "class1" and mark[2] == "here"


def test_levels_and_the_diagonal_are_where_the_axes_say():
    series = charts.Series("a", [(0, 0), (1, 1)], "class0")
    chart = charts.Chart("t", "x", "y", [series], levels={"gold": 1.0}, diagonal=True)
    drawing = charts.draw(chart)
    assert drawing.levels == [(drawing.y_ticks[-1][0], "gold")]
    ends = drawing.lines[0][1].split()
    assert [f"{x:g},{y:g}" for x, y in drawing.diagonal] == ends
    # Where both axes have no value in common there is none.
    apart = charts.Series("a", [(0.31, 0.86), (0.42, 0.91)], "class0")
    chart = charts.Chart("t", "x", "y", [apart], diagonal=True)
    assert not charts.draw(chart).diagonal
