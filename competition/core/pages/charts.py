"""Charts as SVG. They take the page's colours, light, dark or printed, with no script.

`draw` computes the places; the template `charts.html` writes the SVG.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

Point = tuple[float, float]
WIDTH, HEIGHT = 340, 230
# Room for the numbers and names of the axes, and for marks at the edges.
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 8, 38
# A line of more points than this has no marks.
_MARKED = 25


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Points of one name, joined by a line or not; the CSS class `css` colours them.

    `labels`, one for each point, are shown when the mouse rests on it.
    """

    name: str
    points: Sequence[Point]
    css: str
    joined: bool = True
    labels: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """Series over named axes; an axis goes from the least to the greatest value.

    An axis with limits always reaches them. `levels` are horizontal lines, by name.
    `diagonal` draws the line on which both values are equal.
    """

    title: str
    xlabel: str
    ylabel: str
    series: Sequence[Series]
    xlim: tuple[float, ...] = ()
    ylim: tuple[float, ...] = ()
    levels: dict[str, float] = dataclasses.field(default_factory=dict)
    diagonal: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with the place of every part, in pixels from the upper left corner.

    A tick is (pixel, text), a mark (x, y, label).
    """

    chart: Chart
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[tuple[str, str]]
    marks: list[tuple[str, list[tuple[float, float, str]]]]
    levels: list[tuple[float, str]]
    diagonal: list[Point]


def draw(chart: Chart) -> Drawing:
    """Place the axes and the series of a chart with at least one point."""
    points = [point for series in chart.series for point in series.points]
    x_ticks = ticks([*(x for x, _ in points), *chart.xlim])
    heights = [*(y for _, y in points), *chart.ylim, *chart.levels.values()]
    y_ticks = ticks(heights)
    x_ends, y_ends = (x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1])

    def across(x: float) -> float:
        return _place(x, x_ends, (_LEFT, WIDTH - _RIGHT))

    def down(y: float) -> float:
        return _place(y, y_ends, (HEIGHT - _BOTTOM, _TOP))

    lines, marks = [], []
    for series in chart.series:
        placed = [(across(x), down(y)) for x, y in series.points]
        if series.joined:
            lines.append((series.css, " ".join(f"{x:g},{y:g}" for x, y in placed)))
        if not series.joined or len(placed) <= _MARKED:
            labels = [*series.labels] or [""] * len(placed)
            both = zip(placed, labels, strict=True)
            marks.append((series.css, [(x, y, label) for (x, y), label in both]))
    ends = max(x_ends[0], y_ends[0]), min(x_ends[1], y_ends[1])
    return Drawing(
        chart,
        [(across(x), text) for x, text in zip(x_ticks, texts(x_ticks), strict=True)],
        [(down(y), text) for y, text in zip(y_ticks, texts(y_ticks), strict=True)],
        lines,
        marks,
        [(down(y), name) for name, y in chart.levels.items()],
        [(across(end), down(end)) for end in ends]
        if chart.diagonal and ends[0] < ends[1]
        else [],
    )


def _place(value: float, ends: Point, pixels: Point) -> float:
    share = (value - ends[0]) / (ends[1] - ends[0])
    return round(pixels[0] + share * (pixels[1] - pixels[0]), 1)


def ticks(values: Iterable[float]) -> list[float]:
    """Return about five round numbers that enclose all values."""
    known = list(values)
    low, high = min(known), max(known)
    if math.isclose(low, high, abs_tol=1e-9):
        # A single value lies in the middle.
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = min(
        (power * k for k in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough))
    )
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    digits = 12 - math.floor(math.log10(step))
    return [round(step * index, digits) for index in range(first, last + 1)]


def texts(numbers: Sequence[float]) -> list[str]:
    """Write numbers with as many digits as are needed to tell them apart."""
    step = min((b - a for a, b in itertools.pairwise(numbers)), default=1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 4:
        return [f"{number:g}" for number in numbers]
    return [f"{number:,.{digits}f}" for number in numbers]
