"""What one scan says about its masks: how they go on, where they lie, what they show.

Every mask (a class in a slice) becomes one row of numbers. Scans are looked at one at a
time and only the rows are kept, so memory does not grow with the images.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from competition.core import files, masks
from competition.study.audit import appearance, edges

# A run that goes on after this many empty slices is still the same run.
_MEMORY = 4


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MaskFeatures:
    """A scan's rows, one a mask that is not empty, and how its borders fit the slices.

    `by_step` (2K + 1,): how well, if all masks are moved by -K ... K slices.
    `around` (C, N, N): how well, if a class is shifted within its slices. NaN where
    nothing can be compared.
    """

    rows: list[dict[str, Any]]
    by_step: np.ndarray
    around: np.ndarray


def collect(
    volume: np.ndarray, bits: masks.Bits, numbers: Sequence[int], classes: int
) -> MaskFeatures:
    """Look at a scan (D, H, W) and its mask bits (D, H, W).

    `numbers` (D,) are the slices' own; masks on both sides of a missing slice are not
    compared.
    """
    bodies = np.stack([edges.body(image) for image in volume])
    slopes = [edges.gradients(image) for image in volume]
    # A hundredth of the body's width: the same depth in small and in large bodies.
    unit = math.sqrt(max(float(np.median(bodies.sum(axis=(1, 2)))), 1.0)) / 100
    size = len(edges.offsets())
    around = np.full((classes, size, size), np.nan)
    steps = _Steps(max(6, len(volume) // 8), numbers)
    rows: list[dict[str, Any]] = []
    past: list[list[np.ndarray]] = []
    for index, image in enumerate(volume):
        planes = [masks.plane(bits[index], c) for c in range(classes)]
        if index and numbers[index] != numbers[index - 1] + 1:
            past = []
        past = [*past[-_MEMORY:], planes]
        seen = appearance.views(image, bodies[index], unit) if bits[index].any() else []
        for c, mask in enumerate(planes):
            if not mask.any():
                continue
            line = edges.border(mask)
            fit = edges.around(slopes[index], line)
            around[c] = np.nansum([around[c], fit], axis=0)
            steps.add(slopes, line, index)
            rows.append(
                {"index": index, "number": numbers[index], "class": c}
                | _shape(mask)
                | _continuity(past, c)
                | {"edge": float(edges.standing_out(fit)[size // 2, size // 2])}
                | {"outside": float((mask & ~bodies[index]).sum() / mask.sum())}
                | {"look": appearance.describe(seen, mask, unit)}
            )
    return MaskFeatures(rows, steps.mean(), around)


class _Steps:
    """The mean fit of borders in the slices around their own."""

    def __init__(self, reach: int, numbers: Sequence[int]) -> None:
        self.reach = reach
        self.numbers = numbers
        self.places = {number: index for index, number in enumerate(numbers)}
        self.sums = np.zeros(2 * reach + 1)
        self.counts = np.zeros(2 * reach + 1)

    def add(self, slopes: list[np.ndarray], line: edges.Border, index: int) -> None:
        for step in range(-self.reach, self.reach + 1):
            there = self.places.get(self.numbers[index] + step)
            if there is not None:
                fit = edges.along(slopes[there], line)
                self.sums[self.reach + step] += fit * len(line[0])
                self.counts[self.reach + step] += len(line[0])

    def mean(self) -> np.ndarray:
        known = self.counts > 0
        return np.where(known, self.sums / np.maximum(self.counts, 1), np.nan)


def _shape(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    return {
        "area": len(rows),
        "y": float(rows.mean()),
        "x": float(columns.mean()),
        "digest": files.digest(np.packbits(mask).tobytes()),
    }


def _continuity(past: list[list[np.ndarray]], c: int) -> dict[str, Any]:
    """How the newest mask of class `c` goes on from the slices before it.

    `gap` counts the empty slices since the last mask, `dice` is the overlap with that,
    `rigid` the same with both centres put together by a shift of (`down`, `right`).
    `cross` is the largest overlap with another class, `other`, one slice before. What
    cannot be compared is NaN.
    """
    mask = past[-1][c]
    row: dict[str, Any] = dict.fromkeys(
        ("gap", "dice", "rigid", "down", "right", "cross"), math.nan
    )
    row["other"] = c
    if len(past) > 1 and len(past[-1]) > 1:
        cross = [overlap(mask, plane) for plane in past[-2]]
        cross[c] = -1.0
        row["other"] = int(np.argmax(cross))
        row["cross"] = cross[row["other"]]
    filled = [place for place in range(len(past) - 1) if past[place][c].any()]
    if not filled:
        return row
    last = past[filled[-1]][c]
    down, right = np.round(_centre(mask) - _centre(last)).astype(int).tolist()
    return row | {
        "gap": len(past) - 2 - filled[-1],
        "dice": overlap(last, mask),
        "rigid": overlap(shifted(last, down, right), mask),
        "down": down,
        "right": right,
    }


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks, of which one at least is not empty."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def shifted(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    """Shift a mask (H, W); what leaves the slice is lost."""
    moved = np.zeros_like(mask)
    (to_y, of_y), (to_x, of_x) = (
        (_part(by, size), _part(-by, size))
        for by, size in zip((down, right), mask.shape, strict=True)
    )
    moved[to_y, to_x] = mask[of_y, of_x]
    return moved


def _part(by: int, size: int) -> slice:
    return slice(max(by, 0), max(size + min(by, 0), 0))


def _centre(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)
