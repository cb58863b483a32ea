"""Masks in the wrong place: against the slices, the body, other days of the case."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from competition.study.audit import edges
from competition.study.audit.suspect import Suspect

if TYPE_CHECKING:
    import pandas as pd

# One slice off is within an annotator's freedom.
_STEPS = 2
_SHARE = 0.5
_CLEAR = 1.5
_OFFSET_PIXELS = 8
_STANDING_OUT = 8.0
_OUTSIDE = 0.5
_OUTSIDE_PIXELS = 50
_COPIED_PIXELS = 30
_FEWEST_SCANS = 8
_SPREADS = 6
_FACTOR = 3.0


def moved(rows: "pd.DataFrame", by_step: np.ndarray) -> list[Suspect]:
    """All masks of a scan fit other slices: `by_step` (2K + 1,) peaks elsewhere."""
    if rows.empty or np.isnan(by_step).all():
        return []
    reach = len(by_step) // 2
    best = int(np.nanargmax(by_step))
    top, usual, here = by_step[best], np.nanmedian(by_step), by_step[reach]
    step = best - reach
    share = (top - here) / max(top - usual, 1e-9)
    if abs(step) < _STEPS or share < _SHARE or top < _CLEAR * usual:
        return []
    words = (
        f"borders fit the slices best if all masks are moved by {step:+d} slices "
        f"({top:.2f} against {here:.2f})"
    )
    return [_suspect(rows, "moved", words, share=float(min(share, 1)))]


def offset(rows: "pd.DataFrame", around: np.ndarray) -> list[Suspect]:
    """A class's masks all fit better elsewhere in their slices; `around` (C, N, N)."""
    suspects = []
    for c, values in enumerate(around):
        if np.isnan(values).all():
            continue
        fit = edges.standing_out(values)
        place = np.unravel_index(int(fit.argmax()), fit.shape)
        down, right = (int(edges.offsets()[at]) for at in place)
        here = fit[len(fit) // 2, len(fit) // 2]
        far = np.hypot(down, right) >= _OFFSET_PIXELS
        if far and fit.max() >= _STANDING_OUT and fit.max() >= 2 * here:
            words = f"borders fit edges {down} pixels down and {right} right of them"
            group = rows[rows["class"] == c]
            suspects.append(_suspect(group, "offset", words, share=1.0))
    return suspects


def outside(rows: "pd.DataFrame") -> list[Suspect]:
    """Masks of which a good part lies in the air around the body."""
    wrong = (rows["outside"] >= _OUTSIDE) & (
        rows["outside"] * rows["area"] >= _OUTSIDE_PIXELS
    )
    return [
        _suspect(
            run,
            "outside",
            f"{run['outside'].mean():.0%} lies outside the body",
            share=float(run["outside"].mean()),
        )
        for run in _runs(rows[wrong])
    ]


def copies(rows: "pd.DataFrame") -> list[Suspect]:
    """Masks that are, pixel by pixel, those of an earlier scan of the same case."""
    of_use = rows[rows["area"] >= _COPIED_PIXELS]
    keys = ["case", "class", "digest"]
    origin = of_use.groupby(keys)["scan"].transform("first")
    copied = of_use.assign(origin=origin)[origin != of_use["scan"]]
    suspects = []
    for name, group in copied.groupby("origin", sort=False):
        words = f"the same pixels as in {name}"
        suspects += [_suspect(run, "copy", words, share=1.0) for run in _runs(group)]
    return suspects


def repeats(rows: "pd.DataFrame") -> list[Suspect]:
    """Masks that are, pixel by pixel, those of the slice before them."""
    of_use = rows[rows["area"] >= _COPIED_PIXELS]
    ordered = of_use.sort_values(["scan", "class", "index"])
    same = ordered["index"].diff() == 1
    for column in ("scan", "class", "digest"):
        same &= ordered[column] == ordered[column].shift()
    words = "the same pixels as in the slice before"
    # Anatomy changes little in 3 mm: most of the pixels may be right all the same.
    return [_suspect(run, "repeat", words, share=0.1) for run in _runs(ordered[same])]


def volumes(rows: "pd.DataFrame", voxels_mm3: Mapping[str, float]) -> list[Suspect]:
    """Classes far smaller or larger than on the case's other days; needs many scans.

    Of two days that disagree, the one further from the volume of all cases is named.
    """
    area = rows.groupby(["class", "case", "scan"])["area"].sum()
    logs = np.log(area * [voxels_mm3[scan] for _, _, scan in area.index])
    suspects = []
    for c, group in logs.groupby("class"):
        ratio = _against_other_days(group).dropna()
        if len(ratio) < _FEWEST_SCANS:
            continue
        bound = max(_SPREADS * _spread(ratio), np.log(_FACTOR))
        far = (group - group.median()).abs()
        absurd = ratio[ratio.abs() > bound]
        worst = far[absurd.index].groupby("case").idxmax()
        for key in worst:
            masks = rows[(rows["scan"] == key[-1]) & (rows["class"] == c)]
            words = (
                f"{np.exp(ratio[key]):.2g} times the volume on the case's other days"
            )
            share = 1 - float(np.exp(-abs(ratio[key])))
            suspects.append(_suspect(masks, "volume", words, share=share))
    return suspects


def _against_other_days(logs: "pd.Series") -> "pd.Series":
    """Log volumes less the median of the case's other scans; NaN for a lone one."""
    return logs.groupby("case", group_keys=False).apply(
        lambda days: days - [days.drop(key).median() for key in days.index]
    )


def _spread(values: "pd.Series") -> float:
    return 1.4826 * float((values - values.median()).abs().median())


def _runs(rows: "pd.DataFrame") -> list["pd.DataFrame"]:
    """Rows in runs of consecutive slices of one class of one scan."""
    if rows.empty:
        return []
    ordered = rows.sort_values(["scan", "class", "index"])
    new = ordered["index"].diff() != 1
    for column in ("scan", "class"):
        new |= ordered[column] != ordered[column].shift()
    return [run for _, run in ordered.groupby(new.cumsum())]


def _suspect(rows: "pd.DataFrame", reason: str, words: str, *, share: float) -> Suspect:
    return Suspect(
        scan=str(rows["scan"].iloc[0]),
        first=int(rows["index"].min()),
        last=int(rows["index"].max()),
        classes=tuple(sorted(map(int, rows["class"].unique()))),
        reason=reason,
        words=words,
        weight=float(rows["area"].sum()) * share,
    )
