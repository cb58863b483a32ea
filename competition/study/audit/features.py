"""Measure every mask of a scan: its neighbours, its border and its look.

A mask (one class in one slice) becomes a row of numbers. Scans are measured one at a
time and only the rows are kept, so memory does not grow with the images.
"""

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from competition.core import files, masks
from competition.study.audit import looks

# A class may be absent in this many slices within one organ.
LONGEST_GAP = 3
# Borders are tried at these distances in pixels, down and to the right.
STEP = 4
SHIFTS = np.arange(-40, 41, STEP)
_IN_PLACE = np.zeros(1, int)
# A long border is thinned to at most this many points: more only take longer.
_POINTS = 160
_BLUR = 1.5

Row = dict[str, Any]
Border = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def measure(
    scan: str, volume: np.ndarray, bits: masks.Bits, numbers: list[int], classes: int
) -> list[Row]:
    """Return a row for every mask of a scan (D, H, W) that is not empty.

    `numbers` (D,) are the slices' own numbers; masks on both sides of a missing slice
    are not compared. Rows are sorted by class, then by slice.
    """
    slopes = {n: gradients(image) for n, image in zip(numbers, volume, strict=True)}
    smooth = [cv2.GaussianBlur(each.astype(np.float32), (0, 0), 2) for each in volume]
    # The body is brighter than the air around it.
    bodies = [each > 0.1 * np.percentile(each, 99) for each in smooth]
    # A hundredth of the body's width, so that depths are relative to the body.
    unit = math.sqrt(max(np.median([body.sum() for body in bodies]), 1)) / 100
    reach = max(6, len(volume) // 8)
    rows: list[Row] = []
    latest: dict[int, tuple[int, np.ndarray]] = {}
    for number, image, body, pixels in zip(numbers, volume, bodies, bits, strict=True):
        if number - 1 not in slopes:
            latest = {}
        every = {c: masks.plane(pixels, c) for c in range(classes)}
        planes = {c: mask for c, mask in every.items() if mask.any()}
        details = looks.views(image, body, unit) if planes else []
        for c, mask in planes.items():
            line = border(mask)
            near = range(number - reach, number + reach + 1)
            row = {
                "scan": scan,
                "case": scan.partition("_")[0],
                "number": number,
                "class": c,
                "area": np.count_nonzero(mask),
                "digest": files.digest(np.packbits(mask).tobytes()),
                "by_slice": [
                    fit(slopes[n], line).item() if n in slopes else math.nan
                    for n in near
                ],
                "by_shift": fit(slopes[number], line, SHIFTS).astype(np.float32),
                "look": looks.look(details, mask, unit),
            }
            rows.append(row | _compare(c, number, mask, latest))
        latest |= {c: (number, mask) for c, mask in planes.items()}
    return sorted(rows, key=lambda row: row["class"])


def gradients(image: np.ndarray) -> np.ndarray:
    """Return the slope (2, H, W) along y and x; strong edges are weakened."""
    slope = _slope(image)
    strength = cv2.magnitude(slope[0], slope[1])
    # Otherwise a few strong edges would decide where a border fits.
    top = float(np.percentile(strength, 90)) or 1.0
    return (slope / np.maximum(strength, top)).astype(np.float16)


def border(mask: np.ndarray) -> Border:
    """Return y, x and the normal's y, x of points on a mask's border, each (P,)."""
    plane = mask.astype(np.uint8)
    inner = cv2.erode(plane, np.ones((3, 3), np.uint8))
    # A mask that fills its slice has no border: all of its pixels are taken instead.
    y, x = np.nonzero(plane if inner.all() else plane - inner)
    thin = math.ceil(len(y) / _POINTS)
    y, x = y[::thin], x[::thin]
    down, right = _slope(plane)[:, y, x]
    length = np.maximum(np.hypot(down, right), 1e-6)
    return y, x, down / length, right / length


def fit(slopes: np.ndarray, line: Border, shifts: np.ndarray = _IN_PLACE) -> np.ndarray:
    """Return how much (0 to 1) a border follows an edge of one sign, by shift (N, N).

    Along a well-drawn border the slice gets brighter everywhere, or darker everywhere.
    Elsewhere a border crosses edges of either sign, which cancel. The border is moved
    by each pair of `shifts` (N,), down and right.
    """
    y, x, down, right = line
    height, width = slopes.shape[1:]
    rows = (y + shifts[:, None]).clip(0, height - 1)[:, None]
    columns = (x + shifts[:, None]).clip(0, width - 1)[None]
    crossed = slopes[0][rows, columns] * down + slopes[1][rows, columns] * right
    return np.abs(crossed.mean(axis=-1))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice of two masks, at least one of which is not empty."""
    both = np.count_nonzero(one & other)
    return 2 * both / (np.count_nonzero(one) + np.count_nonzero(other))


def _compare(
    c: int, number: int, mask: np.ndarray, latest: Mapping[int, tuple[int, np.ndarray]]
) -> Row:
    """Compare a mask with the `latest` one (slice number and mask) of every class.

    `other` is the other class that it overlaps most in the slice before, and `cross` is
    that overlap; they are -1 and 0 without one. `gap` counts the empty slices since its
    own class's mask. `dice` is the overlap with that mask, `rigid` the overlap after it
    is shifted by (`down`, `right`) to the same centre. Beyond `LONGEST_GAP` empty
    slices these are NaN.
    """
    last, before = latest.get(c, (-math.inf, mask))
    gap = number - last - 1
    overlaps = [
        (overlap(mask, plane), other)
        for other, (place, plane) in latest.items()
        if other != c and place == number - 1
    ]
    cross, other = max(overlaps, default=(0.0, -1))
    row: Row = {"other": other, "cross": cross}
    if gap > LONGEST_GAP:
        return row | dict.fromkeys(("gap", "dice", "rigid", "down", "right"), math.nan)
    centres = [np.argwhere(plane).mean(axis=0) for plane in (before, mask)]
    down, right = np.round(centres[1] - centres[0])
    move = np.array([[1, 0, right], [0, 1, down]])
    moved = cv2.warpAffine(before.astype(np.uint8), move, mask.shape[::-1]) > 0
    row |= {"gap": gap, "dice": overlap(before, mask), "rigid": overlap(moved, mask)}
    return row | {"down": down, "right": right}


def _slope(image: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _BLUR)
    return np.stack([cv2.Sobel(smooth, cv2.CV_32F, *way) for way in ((0, 1), (1, 0))])
