"""Masks that do not go on from slice to slice: missing, shifted or torn."""

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.study.audit.suspect import Suspect

if TYPE_CHECKING:
    import pandas as pd

Row = dict[Any, Any]

_LONGEST_GAP = 3
# So few masks on their own, while the class has many times more.
_FEW = 2
_MANY = 5
_SAME_ORGAN = 0.5
# What overlaps less is a leap; where between these, the class's own habits say.
_LOWEST, _HIGHEST = 0.2, 0.5
_SPREADS = 6
_LEAP_PIXELS = 8
_GAIN = 0.25
OTHER_LABEL = 0.7


def find(rows: "pd.DataFrame") -> list[Suspect]:
    """Gaps, shifted stretches and jumps of every class in every scan."""
    usual = {c: lowest(group["dice"].to_numpy()) for c, group in rows.groupby("class")}
    small = rows.groupby("class")["area"].quantile(0.25)
    suspects = []
    for (_, c), group in rows.groupby(["scan", "class"], sort=False):
        records = group.sort_values("index").to_dict("records")
        suspects += gaps(records)
        suspects += lone(records)
        suspects += leaps(records, usual[c], float(small[c]))
    return suspects


def lowest(dice: np.ndarray) -> float:
    """The least overlap (N,) with the slice before that is usual; NaN is left out."""
    known = dice[~np.isnan(dice)]
    if not known.size:
        return _LOWEST
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    return float(np.clip(middle - _SPREADS * spread, _LOWEST, _HIGHEST))


def gaps(records: list[Row]) -> list[Suspect]:
    """Slices without a mask between two masks of one organ; its thin ends may part."""
    suspects = []
    for before, row in itertools.pairwise(records):
        if not (1 <= row["gap"] <= _LONGEST_GAP and row["dice"] >= _SAME_ORGAN):
            continue
        count = int(row["gap"])
        words = (
            f"no mask in {count} slice{'s' if count > 1 else ''} between two that "
            f"overlap by {row['dice']:.2f}"
        )
        area = (before["area"] + row["area"]) / 2
        span = before["index"] + 1, row["index"] - 1
        weight = area * count * row["dice"]
        suspects.append(_suspect(row, span, reason="gap", words=words, weight=weight))
    return suspects


def lone(records: list[Row]) -> list[Suspect]:
    """A mask or two, far from the run that has most masks of their class."""
    breaks = [
        at
        for at in range(1, len(records))
        if records[at]["number"] - records[at - 1]["number"] > _LONGEST_GAP + 1
    ]
    bounds = itertools.pairwise([0, *breaks, len(records)])
    runs = [records[start:end] for start, end in bounds]
    most = max(map(len, runs))
    suspects = []
    for place, run in enumerate(runs):
        if len(run) > _FEW or _MANY * len(run) > most:
            continue
        away = [run[0]["number"] - each[-1]["number"] for each in runs[:place][-1:]]
        away += [
            each[0]["number"] - run[-1]["number"] for each in runs[place + 1 :][:1]
        ]
        words = f"{min(away)} slices away from the nearest other mask of its class"
        weight = sum(row["area"] for row in run)
        span = run[0]["index"], run[-1]["index"]
        suspects.append(
            _suspect(run[0], span, reason="lone", words=words, weight=weight)
        )
    return suspects


def leaps(records: list[Row], low: float, small: float) -> list[Suspect]:
    """Stretches that lie elsewhere than their neighbours, and masks that jump.

    An overlap below `low` is a leap, and so is one that a shift betters much. A leap
    there and another back bound a shifted stretch; any other below `low` is a jump.
    Masks below `small` pixels may change much, but not have nothing in common.
    """
    places = [at for at, row in enumerate(records) if _is_leap(row, low)]
    suspects, used = [], set()
    for one, other in itertools.pairwise(places):
        if one not in used and _is_return(records[one], records[other]):
            used |= {one, other}
            suspects.append(_shifted(records[one:other]))
    for at in places:
        areas = records[at]["area"], records[at - 1]["area"]
        dice = records[at]["dice"]
        if at not in used and (dice == 0 or (dice < low and min(areas) >= small)):
            suspects.append(_jump(records[at - 1], records[at]))
    return suspects


def _is_leap(row: Row, low: float) -> bool:
    if row["gap"] == 0 and row["cross"] >= OTHER_LABEL:
        return False
    far = math.hypot(row["down"], row["right"]) >= _LEAP_PIXELS
    return row["dice"] < low or (far and row["rigid"] - row["dice"] >= _GAIN)


def _is_return(there: Row, back: Row) -> bool:
    """Whether a leap moves a mask as a whole, and a later one moves it back."""
    ways = [np.array([row["down"], row["right"]], float) for row in (there, back)]
    far = max(map(np.linalg.norm, ways))
    gain = max(row["rigid"] - row["dice"] for row in (there, back))
    left = np.linalg.norm(ways[0] + ways[1])
    return bool(far >= _LEAP_PIXELS and gain >= _GAIN and left <= 0.6 * far)


def _shifted(stretch: list[Row]) -> Suspect:
    first = stretch[0]
    pixels = math.hypot(first["down"], first["right"])
    words = f"shifted by about {pixels:.0f} pixels against the slices around"
    weight = sum(row["area"] for row in stretch) * (1 - first["dice"])
    span = first["index"], stretch[-1]["index"]
    return _suspect(first, span, reason="shifted", words=words, weight=weight)


def _jump(before: Row, row: Row) -> Suspect:
    words = f"overlaps the mask before it by {row['dice']:.2f} only"
    weight = min(before["area"], row["area"]) * (1 - row["dice"])
    span = before["index"], row["index"]
    return _suspect(row, span, reason="jump", words=words, weight=weight)


def _suspect(
    row: Row, span: tuple[int, int], *, reason: str, words: str, weight: float
) -> Suspect:
    first, last = map(int, span)
    return Suspect(
        row["scan"], first, last, (int(row["class"]),), reason, words, float(weight)
    )
