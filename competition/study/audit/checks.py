"""The checks of an audit: each finds masks that look wrong for one reason.

The median and the robust spread over the data set define what is usual. A fault has one
suspect, with the reason that explains most of it.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from competition.core.pages import findings
from competition.study.audit import features, looks

# Overlaps that lie this many robust spreads below the median are unusual.
_SPREADS = 4
# A border is tried at hundreds of places. By chance, the best one is less than so many
# standard deviations above the mean.
_CHANCE = 7
# Masks of fewer pixels are equal by chance.
_FEWEST_PIXELS = 30
# Smaller distances are within the accuracy of an annotator.
_LEAST_SLICES = 2
_LEAST_PIXELS = 8
# Two masks with a Dice below the first are of two organs, above the second of one.
_OTHER_ORGAN, _SAME_ORGAN = 0.2, 0.5
# The shift of a whole mask must improve the Dice by at least this.
_GAIN = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """Masks of some classes that look wrong in the slices number `first` to `last`.

    `weight` estimates the pixels that are wrong, `words` say what was measured.
    """

    scan: str
    first: int
    last: int
    classes: tuple[int, ...]
    reason: str
    words: str
    weight: float


def find(rows: pd.DataFrame) -> list[Suspect]:
    """Return the suspects among the masks of all scans, most wrong pixels first.

    `rows` are those of `features.measure`.
    """
    if rows.empty:
        return []
    suspects = list(moved(rows))
    # Masks that belong to other slices do not show how a class looks.
    suspects += swapped(rows[~rows["scan"].isin([each.scan for each in suspects])])
    for check in (copied, offset, displaced, gaps, lone, repeated):
        suspects += check(rows)
    return sorted(explained(suspects), key=lambda each: (-each.weight, each.scan))


def explained(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Drop each suspect whose masks a stronger reason names as well.

    The return to normal masks in the slice after a fault is not a second fault.
    """
    chosen: list[Suspect] = []
    strongest = list(findings.REASONS)
    for suspect in sorted(suspects, key=lambda each: strongest.index(each.reason)):
        if not any(
            suspect.scan == stronger.scan
            and set(suspect.classes) & set(stronger.classes)
            and suspect.first - 1 <= stronger.last
            and suspect.last + 1 >= stronger.first
            for stronger in chosen
        ):
            chosen.append(suspect)
    return chosen


def moved(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find scans whose masks all fit other slices better than their own."""
    for _, group in rows.groupby("scan", sort=False):
        fits = pd.DataFrame(group["by_slice"].tolist())
        # A long border is stronger evidence than a short one.
        weights = np.sqrt(group["area"].to_numpy())[:, None]
        fit = ((fits * weights).sum() / (fits.notna() * weights).sum()).to_numpy()
        rise = fit - np.nanmedian(fit)
        best, here = int(np.nanargmax(fit)), len(fit) // 2
        clear = rise[best] > 2 * rise[here] and fit[best] >= 1.5 * np.nanmedian(fit)
        if abs(best - here) >= _LEAST_SLICES and clear:
            words = (
                "borders fit the slices best if all masks are moved by "
                f"{best - here:+d} slices ({fit[best]:.2f} against {fit[here]:.2f})"
            )
            yield _suspect(group, "moved", words)


def offset(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find classes whose masks in a scan all fit edges elsewhere in their slices."""
    for _, group in rows.groupby(["scan", "class"], sort=False):
        fit = np.mean(group["by_shift"].tolist(), axis=0)
        rise = fit - np.median(fit)
        best, middle = np.unravel_index(fit.argmax(), fit.shape), len(fit) // 2
        clear = fit.max() > fit.mean() + _CHANCE * fit.std()
        clear &= rise[best] > 2 * rise[middle, middle]
        down, right = (features.STEP * (int(place) - middle) for place in best)
        if clear and math.hypot(down, right) >= _LEAST_PIXELS:
            words = f"borders fit edges {down} pixels down and {right} right of them"
            yield _suspect(group, "offset", words)


def swapped(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find stretches of scans in which two classes have exchanged their names."""
    chances = looks.class_chances(rows)
    for _, scan in rows.groupby("scan", sort=False):
        for pair in itertools.combinations(sorted(scan["class"].unique()), 2):
            masks = scan[scan["class"].isin(pair)].sort_values("number")
            likely = chances.loc[masks.index, list(pair)]
            part, words = looks.swapped_part(masks, likely)
            if len(part):
                yield _suspect(part, "swapped", words)


def displaced(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find stretches that are displaced from their neighbours, and masks that jump.

    A mask leaps if it overlaps the one before less than is usual, or if a shift
    improves the overlap much. A leap and a leap back bound a shifted stretch; any
    other leap is a jump. A small mask jumps only if it overlaps no pixel at all.
    """
    low = rows.groupby("class")["dice"].transform(least_overlap)
    small = rows.groupby("class")["area"].transform("quantile", 0.25)
    steps = rows[["down", "right"]].to_numpy()
    lengths = np.linalg.norm(steps, axis=1)
    whole = (lengths >= _LEAST_PIXELS) & (rows["rigid"] - rows["dice"] >= _GAIN)
    renamed = (rows["gap"] == 0) & (rows["cross"] >= looks.RENAMED)
    leaping = rows[((rows["dice"] < low) | whole) & ~renamed]
    for _, leaps in leaping.groupby(["scan", "class"], sort=False):
        for there, back in itertools.pairwise(leaps.index):
            off, share = lengths[there], 1 - rows["dice"][there]
            left = np.linalg.norm(steps[there] + steps[back])
            returns = left <= 0.6 * max(off, lengths[back])
            if returns and (whole[there] or whole[back]):
                words = f"about {off:.0f} pixels off the masks in the slices around"
                yield _suspect(rows[there:back], "shifted", words, share)
        for leap, dice in leaps["dice"].items():
            both = rows[leap - 1 : leap + 1]
            least = both["area"].min()
            if dice == 0 or (dice < low[leap] and least >= small[leap]):
                words = f"overlaps the mask before it by {dice:.2f} only"
                share = least / both["area"].sum() * (1 - dice)
                yield _suspect(both, "jump", words, share)


def least_overlap(dice: pd.Series) -> float:
    """Return the least overlap with the mask before that is usual; NaN is left out."""
    if dice.isna().all():
        return _OTHER_ORGAN
    spread = stats.median_abs_deviation(dice, scale="normal", nan_policy="omit")
    usual = dice.median() - _SPREADS * spread
    return float(np.clip(usual, _OTHER_ORGAN, _SAME_ORGAN))


def gaps(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find slices without a mask between two masks of one organ, by their overlap."""
    for at in np.flatnonzero((rows["gap"] > 0) & (rows["dice"] >= _SAME_ORGAN)):
        gap, dice = int(rows["gap"][at]), rows["dice"][at]
        slices = f"{gap} slice{'s' if gap > 1 else ''}"
        words = f"no mask in {slices} between two that overlap by {dice:.2f}"
        both = _suspect(rows[at - 1 : at + 1], "gap", words, gap * dice / 2)
        yield dataclasses.replace(both, first=both.first + 1, last=both.last - 1)


def lone(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find one or two masks far from the longest run of their class."""
    for _, masks in rows.groupby(["scan", "class"], sort=False):
        runs = _runs(masks, features.LONGEST_GAP)
        few = min(2, max(map(len, runs)) / 5)
        for run in (run for run in runs if len(run) <= few):
            others = masks["number"].drop(run.index).to_numpy()
            away = np.abs(others - run[["number"]].to_numpy()).min()
            words = f"{away} slices away from the nearest other mask of its class"
            yield _suspect(run, "lone", words)


def copied(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find masks that are, pixel by pixel, those of an earlier scan of the case."""
    large = rows[rows["area"] >= _FEWEST_PIXELS]
    origin = large.groupby(["case", "class", "digest"])["scan"].transform("first")
    for run in _runs(large[origin != large["scan"]]):
        yield _suspect(run, "copy", f"the same pixels as in {origin[run.index[0]]}")


def repeated(rows: pd.DataFrame) -> Iterator[Suspect]:
    """Find masks that are, pixel by pixel, those of the slice before them."""
    same = (rows["gap"] == 0) & (rows["dice"] == 1) & (rows["area"] >= _FEWEST_PIXELS)
    for run in _runs(rows[same]):
        # Anatomy changes little in 3 mm: most of the pixels may be right all the same.
        yield _suspect(run, "repeat", "the same pixels as in the slice before", 0.1)


def _runs(rows: pd.DataFrame, gap: int = 0) -> list[pd.DataFrame]:
    """Split sorted masks between scans, classes, and more than `gap` empty slices."""
    new = rows["number"].diff().gt(gap + 1)
    for column in ("scan", "class"):
        new |= rows[column] != rows[column].shift()
    return [run for _, run in rows.groupby(new.cumsum())]


def _suspect(rows: pd.DataFrame, reason: str, words: str, share: float = 1) -> Suspect:
    """Return the suspect of these masks; a `share` of their pixels is wrong."""
    return Suspect(
        scan=str(rows["scan"].iloc[0]),
        first=int(rows["number"].min()),
        last=int(rows["number"].max()),
        classes=tuple(sorted(map(int, rows["class"].unique()))),
        reason=reason,
        words=words,
        weight=float(rows["area"].sum() * share),
    )
