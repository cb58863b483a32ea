"""The checks of an audit: which measure of a mask is suspicious, and why.

What is wrong is judged by the data's own habits, the median and the robust spread,
wherever there are enough scans to know them. One fault is named once, by the reason
that explains most of it.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.study.audit import features, looks

if TYPE_CHECKING:
    import pandas as pd

# A habit is left beyond this many robust spreads.
_SPREADS = 4
# Of hundreds of places for a border some stand out by chance, in standard deviations.
_CHANCE = 7
# Masks of fewer pixels agree, or lie in the air, by chance.
_FEWEST_PIXELS = 30
_FEWEST_SCANS = 8
# An annotator is free to be less far off.
_LEAST_SLICES = 2
_LEAST_PIXELS = 8
_LEAST_FACTOR = 3
# A Dice below the first is never of one organ, one above the second always is.
_OTHER_ORGAN, _SAME_ORGAN = 0.2, 0.5
# A shift of a whole mask betters the Dice by at least this.
_GAIN = 0.25
# The reasons with their headings. Each explains what later checks see of its fault.
REASONS = {
    "moved": "Moved by several slices",
    "copy": "Copied from another day",
    "swapped": "Classes swapped",
    "offset": "Off the slices' edges",
    "shifted": "Shifted",
    "gap": "Slice without a mask",
    "lone": "Far from the rest",
    "jump": "Jump",
    "outside": "Outside the body",
    "repeat": "Repeated slice",
    "volume": "Absurd volume",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """Masks of some classes that look wrong in the slices `first` to `last` by index.

    `weight` estimates the pixels that are wrong, `words` say what was measured.
    """

    scan: str
    first: int
    last: int
    classes: tuple[int, ...]
    reason: str
    words: str
    weight: float

    def touches(self, other: "Suspect") -> bool:
        """Return whether both share a scan, a class, and a slice or the one after it.

        In the slice after a fault, masks go back to normal: that is no second fault.
        """
        return (
            self.scan == other.scan
            and bool(set(self.classes) & set(other.classes))
            and self.first <= other.last + 1
            and other.first <= self.last + 1
        )


def find(rows: "pd.DataFrame", voxels_mm3: Mapping[str, float]) -> list[Suspect]:
    """Return the suspects among the masks of all scans, most wrong pixels first.

    `rows` are those of `features.measure` with their `scan` and `case`, and
    `voxels_mm3` is the volume of a voxel by scan.
    """
    if rows.empty:
        return []
    suspects = list(moved(rows))
    # Masks of other slices do not teach the look of a class.
    in_place = rows[~rows["scan"].isin([suspect.scan for suspect in suspects])]
    suspects += swapped(in_place)
    for check in (copied, offset, displaced, gaps, lone, outside, repeated):
        suspects += check(rows)
    # A volume is no measure for other days where the masks are known to be wrong.
    wrong = {(suspect.scan, c) for suspect in suspects for c in suspect.classes}
    sound = [key not in wrong for key in zip(rows["scan"], rows["class"], strict=True)]
    suspects += volumes(rows[sound], voxels_mm3)
    return sorted(explained(suspects), key=lambda each: (-each.weight, each.scan))


def explained(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Drop each suspect that a stronger reason on the same masks accounts for."""
    order = list(REASONS)
    chosen: list[Suspect] = []
    for suspect in sorted(suspects, key=lambda each: order.index(each.reason)):
        if not any(stronger.touches(suspect) for stronger in chosen):
            chosen.append(suspect)
    return chosen


def moved(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find scans whose masks all fit other slices better than their own."""
    import pandas as pd

    for _, group in rows.groupby("scan", sort=False):
        fits = pd.DataFrame(group["by_slice"].tolist())
        # A long border says more than a short one.
        weights = np.sqrt(group["area"].to_numpy())[:, None]
        fit = ((fits * weights).sum() / (fits.notna() * weights).sum()).to_numpy()
        (step,) = better_place(fit)
        here, there = fit[len(fit) // 2], np.nanmax(fit)
        if abs(step) >= _LEAST_SLICES and there >= 1.5 * np.nanmedian(fit):
            words = (
                f"borders fit the slices best if all masks are moved by {step:+d} "
                f"slices ({there:.2f} against {here:.2f})"
            )
            yield _suspect(group, "moved", words)


def offset(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find classes whose masks in a scan all fit edges elsewhere in their slices."""
    for _, group in rows.groupby(["scan", "class"], sort=False):
        fit = np.mean(group["by_shift"].tolist(), axis=0)
        down, right = (features.STEP * step for step in better_place(fit))
        clear = fit.max() > fit.mean() + _CHANCE * fit.std()
        if math.hypot(down, right) >= _LEAST_PIXELS and clear:
            words = f"borders fit edges {down} pixels down and {right} right of them"
            yield _suspect(group, "offset", words)


def better_place(fit: np.ndarray) -> tuple[int, ...]:
    """Return how far from the middle of `fit`, by axis, borders fit best.

    That is 0 where the middle stands out from the median at least half as much as the
    best place. NaN is no place.
    """
    rise = fit - np.nanmedian(fit)
    middle = tuple(size // 2 for size in rise.shape)
    best = np.unravel_index(np.nanargmax(rise), rise.shape)
    if rise[best] <= 2 * rise[middle]:
        return (0,) * rise.ndim
    return tuple(int(there) - here for there, here in zip(best, middle, strict=True))


def swapped(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find stretches of scans in which two classes bear each other's name."""
    chances = looks.class_chances(rows)
    for _, scan in rows.groupby("scan", sort=False):
        for pair in itertools.combinations(sorted(scan["class"].unique()), 2):
            masks = scan[scan["class"].isin(pair)].sort_values("number")
            part, words = looks.swapped_part(
                masks, chances.loc[masks.index, list(pair)]
            )
            if len(part):
                yield _suspect(part, "swapped", words)


def displaced(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find stretches that lie elsewhere than their neighbours, and masks that jump.

    A mask leaps where it overlaps the one before less than is usual, or where a shift
    betters the overlap much. A leap and another back bound a shifted stretch; any
    other is a jump. Small masks may change much, but not have nothing in common.
    """
    low = rows.groupby("class")["dice"].transform(least_overlap)
    small = rows.groupby("class")["area"].transform("quantile", 0.25)
    steps = rows[["down", "right"]].to_numpy()
    far = np.linalg.norm(steps, axis=1) >= _LEAST_PIXELS
    whole = far & (rows["rigid"] - rows["dice"] >= _GAIN)
    renamed = (rows["gap"] == 0) & (rows["cross"] >= looks.RENAMED)
    leaping = rows[((rows["dice"] < low) | whole) & ~renamed]
    for _, leaps in leaping.groupby(["scan", "class"], sort=False):
        bounds: set[int] = set()
        for there, back in itertools.pairwise(leaps.index):
            lengths = np.linalg.norm(steps[[there, back]], axis=1)
            left = np.linalg.norm(steps[there] + steps[back])
            returns = whole[[there, back]].any() and left <= 0.6 * max(lengths)
            if returns and there not in bounds:
                bounds |= {there, back}
                pixels, share = lengths[0], 1 - rows["dice"][there]
                words = (
                    f"shifted by about {pixels:.0f} pixels against the slices around"
                )
                yield _suspect(rows[there:back], "shifted", words, share)
        for leap in leaps.index.difference(list(bounds)):
            both, dice = rows[leap - 1 : leap + 1], rows["dice"][leap]
            least = both["area"].min()
            if dice == 0 or (dice < low[leap] and least >= small[leap]):
                words = f"overlaps the mask before it by {dice:.2f} only"
                share = least / both["area"].sum() * (1 - dice)
                yield _suspect(both, "jump", words, share)


def least_overlap(dice: "pd.Series") -> float:
    """Return the least overlap with the mask before that is usual; NaN is left out."""
    if dice.isna().all():
        return _OTHER_ORGAN
    return float(
        np.clip(dice.median() - _SPREADS * _spread(dice), _OTHER_ORGAN, _SAME_ORGAN)
    )


def gaps(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find slices without a mask between two of one organ; its thin ends may part."""
    for at in np.flatnonzero((rows["gap"] > 0) & (rows["dice"] >= _SAME_ORGAN)):
        gap, dice = int(rows["gap"][at]), rows["dice"][at]
        words = (
            f"no mask in {gap} slice{'s' if gap > 1 else ''} between two that overlap "
            f"by {dice:.2f}"
        )
        both = _suspect(rows[at - 1 : at + 1], "gap", words, gap * dice / 2)
        yield dataclasses.replace(both, first=both.first + 1, last=both.last - 1)


def lone(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find a mask or two, far from the run that has most masks of their class."""
    for _, masks in rows.groupby(["scan", "class"], sort=False):
        runs = _runs(masks, features.LONGEST_GAP)
        few = min(2, max(map(len, runs)) / 5)
        for run in (run for run in runs if len(run) <= few):
            others = masks["number"].drop(run.index).to_numpy()
            away = np.abs(others - run[["number"]].to_numpy()).min()
            words = f"{away} slices away from the nearest other mask of its class"
            yield _suspect(run, "lone", words)


def outside(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find masks of which at least half lies in the air around the body."""
    pixels = rows["outside"] * rows["area"]
    for run in _runs(rows[(rows["outside"] >= 0.5) & (pixels >= _FEWEST_PIXELS)]):
        share = run["outside"].mean()
        words = f"{share:.0%} lies outside the body"
        yield _suspect(run, "outside", words, share)


def copied(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find masks that are, pixel by pixel, those of an earlier scan of the case."""
    large = rows[rows["area"] >= _FEWEST_PIXELS]
    origin = large.groupby(["case", "class", "digest"])["scan"].transform("first")
    copies = large[origin != large["scan"]]
    for scan, group in copies.groupby(origin, sort=False):
        for run in _runs(group):
            yield _suspect(run, "copy", f"the same pixels as in {scan}")


def repeated(rows: "pd.DataFrame") -> Iterator[Suspect]:
    """Find masks that are, pixel by pixel, those of the slice before them."""
    same = (rows["gap"] == 0) & (rows["digest"] == rows["digest"].shift())
    runs = _runs(rows[same & (rows["area"] >= _FEWEST_PIXELS)])
    words = "the same pixels as in the slice before"
    # Anatomy changes little in 3 mm: most of the pixels may be right all the same.
    for run in runs:
        yield _suspect(run, "repeat", words, 0.1)


def volumes(rows: "pd.DataFrame", voxels_mm3: Mapping[str, float]) -> Iterator[Suspect]:
    """Find classes far smaller or larger than on the case's other days.

    Of two days that disagree, the one further from the volume of all cases is named.
    Few scans say nothing.
    """
    areas = rows.groupby(["class", "case", "scan"])["area"].sum()
    logs = np.log(areas * areas.index.get_level_values("scan").map(voxels_mm3))
    for c, of_class in logs.groupby("class"):
        ratios = of_class.groupby("case", group_keys=False).apply(
            lambda days: days - [days.drop(day).median() for day in days.index]
        )
        ratios = ratios.dropna()
        if len(ratios) < _FEWEST_SCANS:
            continue
        bound = max(_SPREADS * _spread(ratios), math.log(_LEAST_FACTOR))
        absurd = ratios.index[ratios.abs() > bound]
        from_all = (of_class - of_class.median()).abs()
        for key in from_all[absurd].groupby("case").idxmax():
            masks = rows[(rows["scan"] == key[-1]) & (rows["class"] == c)]
            times = math.exp(ratios[key])
            words = f"{times:.2g} times the volume on the case's other days"
            share = 1 - min(times, 1 / times)
            yield _suspect(masks, "volume", words, share)


def _runs(rows: "pd.DataFrame", gap: int = 0) -> list["pd.DataFrame"]:
    """Part sorted masks between scans, classes, and more than `gap` empty slices."""
    new = rows["number"].diff().gt(gap + 1)
    for column in ("scan", "class"):
        new |= rows[column] != rows[column].shift()
    return [run for _, run in rows.groupby(new.cumsum())]


def _spread(values: Any) -> float:
    """Return the robust spread: for normal values, their standard deviation."""
    from scipy import stats

    spread = stats.median_abs_deviation(
        values, axis=None, scale="normal", nan_policy="omit"
    )
    return float(spread)


def _suspect(
    rows: "pd.DataFrame", reason: str, words: str, share: float = 1
) -> Suspect:
    """Return the suspect of these masks, of which `share` of the pixels is wrong."""
    return Suspect(
        scan=str(rows["scan"].iloc[0]),
        first=int(rows["index"].min()),
        last=int(rows["index"].max()),
        classes=tuple(sorted(map(int, rows["class"].unique()))),
        reason=reason,
        words=words,
        weight=float(rows["area"].sum() * share),
    )
