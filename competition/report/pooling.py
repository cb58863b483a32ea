"""The scores of a group of scans, such as a fold or a case, from those of its scans.

A scan's numbers are sums and counts. A group's numbers are their sum, so its score is
the one that `metric.summarise` computes.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from competition.core import metric, scores

# By scan, four sums, each with its count: Dice, Dice with empty pairs as 1, distances
# by class, and the distance of all classes together.
Numbers = dict[str, np.ndarray]
Pooled = dict[str, float | None]


class Spread(NamedTuple):
    """How a score spreads over groups: standard deviation, and quantiles of it."""

    groups: int
    deviation: float
    least: float
    low: float
    median: float
    high: float
    greatest: float


def numbers(result: scores.Scores, depths: Mapping[str, int]) -> Numbers:
    """Return the numbers (8,) of each scan of a score; `depths` are their slices.

    A score of an older version lacks some of them, and gives none.
    """
    merged = result.get("merged_by_scan")
    listed = [one for each in result["by_scan"].values() for one in each.values()]
    if merged is None or any(one.get("slices") is None for one in listed):
        return {}
    return {
        scan: _of_scan(by_class.values(), merged.get(scan), depths[scan])
        for scan, by_class in result["by_scan"].items()
    }


def _of_scan(
    by_class: Iterable[scores.ClassScores], merged: float | None, depth: int
) -> np.ndarray:
    total = np.zeros(8)
    for one in by_class:
        slices, distance = one["slices"] or 0, one["hausdorff_per_class"]
        dice = (one["dice"] or 0.0) * slices
        total[:4] += dice, slices, dice + depth - slices, depth
        total[4:6] += distance or 0.0, distance is not None
    total[6:] = merged or 0.0, merged is not None
    return total


def scores_of(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of sums (..., 8); NaN if nothing is counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., ::2] / sums[..., 1::2]
    dice, with_empty, per_class, merged = np.moveaxis(means, -1, 0)
    return {
        "score_per_class": metric.combined(dice, per_class),
        "score_merged": metric.combined(dice, merged),
        "dice": dice,
        "dice_with_empty": with_empty,
        "hausdorff_per_class": per_class,
        "hausdorff_merged": merged,
    }


def by_group(by_scan: Numbers, groups: Mapping[str, int]) -> dict[int, np.ndarray]:
    """Add the numbers of the scans of each group, by its number, ascending."""
    sums: dict[int, np.ndarray] = {}
    for scan, of_scan in by_scan.items():
        sums[groups[scan]] = sums.get(groups[scan], 0) + of_scan
    return dict(sorted(sums.items()))


def pooled(by_scan: Numbers, groups: Mapping[str, int]) -> dict[int, Pooled]:
    """Return the scores of each group; None if nothing is counted."""
    return {
        group: {
            name: None if np.isnan(value) else float(value)
            for name, value in scores_of(sums).items()
        }
        for group, sums in by_group(by_scan, groups).items()
    }


def spread(groups: Mapping[int, Pooled], score: str) -> Spread | None:
    """Return how a score spreads over groups; None if no group has it."""
    known = [value for each in groups.values() if (value := each[score]) is not None]
    if not known:
        return None
    quantiles = np.quantile(known, (0, 0.25, 0.5, 0.75, 1)).tolist()
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return Spread(len(known), deviation, *quantiles)
