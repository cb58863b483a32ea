"""Masks that bear another class's name: they look like that class, and it like them."""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from competition.study.audit import appearance, continuity
from competition.study.audit.suspect import Suspect

if TYPE_CHECKING:
    import pandas as pd

# A class's masks of a stretch must favour the other name by this much (natural log,
# a mask on average), and there must be this many.
_FAVOUR = 0.7
_FEWEST = 3
# Changing names within a scan costs as much as this evidence.
_DOUBT = 1.0
# A mask that overlaps its own class in the slice before keeps its name.
_STAYS = 0.4


def find(rows: "pd.DataFrame", trusted: np.ndarray, classes: int) -> list[Suspect]:
    """Stretches of scans in which two classes look swapped.

    Rows that are not `trusted` (N,) teach nothing, and are not judged. With too few
    cases to know the classes' looks, only names that change within a scan are found.
    """
    likely = appearance.likeness(
        np.array(rows["look"].tolist()),
        rows["class"].to_numpy(),
        rows["case"].to_numpy(),
        trusted,
    )
    judged, likely = rows[trusted], likely[trusted]
    suspects = []
    for places in judged.groupby("scan", sort=False).indices.values():
        of_scan, chances = judged.iloc[places], likely[places]
        for pair in itertools.combinations(range(classes), 2):
            suspects += _of_pair(of_scan, chances, pair)
    return suspects


def _of_pair(
    rows: "pd.DataFrame", chances: np.ndarray, pair: tuple[int, int]
) -> list[Suspect]:
    """The swap of two classes in one scan, by their looks and by where names change."""
    labels, index = rows["class"].to_numpy(), rows["index"].to_numpy()
    if not all((labels == c).any() for c in pair):
        return []
    mine = np.isin(labels, pair)
    labels, index = labels[mine], index[mine]
    other = np.where(labels == pair[0], pair[1], pair[0])
    each = np.arange(len(labels))
    favour = chances[mine][each, other] - chances[mine][each, labels]
    borders = changes(rows, pair)
    stretch = by_change(index, favour, borders) or by_look(index, labels, favour)
    if stretch is None:
        return []
    first, last = stretch
    inside = (index >= first) & (index <= last)
    words = "each of the two looks like the other class"
    if borders:
        words = "the two names change places between neighbouring slices"
    weight = float(rows["area"].to_numpy()[mine][inside].sum())
    scan = str(rows["scan"].iloc[0])
    return [Suspect(scan, first, last, pair, "swapped", words, weight)]


def changes(rows: "pd.DataFrame", pair: tuple[int, int]) -> list[int]:
    """The slices in which masks of a pair go on from the other class's masks."""
    of_pair = rows[rows["class"].isin(pair) & rows["other"].isin(pair)]
    goes_over = (of_pair["cross"] >= continuity.OTHER_LABEL) & ~(
        of_pair["dice"] >= _STAYS
    )
    return sorted(of_pair["index"][goes_over].unique().tolist())


def by_change(
    index: np.ndarray, favour: np.ndarray, borders: list[int]
) -> tuple[int, int] | None:
    """Of the stretches that the changes part, those that look more like the other."""
    if not borders:
        return None
    part = np.searchsorted(borders, index, side="right")
    odd = part % 2 == 1
    swapped = odd if favour[odd].mean() >= favour[~odd].mean() else ~odd
    return int(index[swapped].min()), int(index[swapped].max())


def by_look(
    index: np.ndarray, labels: np.ndarray, favour: np.ndarray
) -> tuple[int, int] | None:
    """The stretch that speaks most for a swap, if both classes' masks do so there."""
    by_slice = np.zeros(index.max() + 1)
    np.add.at(by_slice, index, favour - _DOUBT)
    first, last = _largest_sum(by_slice)
    inside = (index >= first) & (index <= last)
    for c in np.unique(labels):
        part = favour[inside & (labels == c)]
        if len(part) < _FEWEST or part.mean() < _FAVOUR:
            return None
    return int(index[inside].min()), int(index[inside].max())


def _largest_sum(values: np.ndarray) -> tuple[int, int]:
    """First and last place of the stretch with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    least = np.minimum.accumulate(sums[:-1])
    last = int(np.argmax(sums[1:] - least))
    return int(np.argmin(sums[: last + 1])), last
