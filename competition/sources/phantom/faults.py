"""Faults as annotators and exports make them, planted into a phantom's masks.

The images stay as they are. What was planted is known, so that an audit can be judged.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

SHIFT_PIXELS = 30
# Scans take turns: ten of twelve have a fault, and never more than one.
_TURNS = (
    "moved", "shifted", "dropped", "swapped", "shifted", "dropped", None,
    "moved", "swapped", "shifted", "dropped", None,
)  # fmt: skip
_ANGLES = 16


@dataclasses.dataclass(frozen=True, slots=True)
class PlantedFault:
    """A planted fault: slices by index, both included, and the classes it befell."""

    kind: str
    first: int
    last: int
    classes: tuple[int, ...]


Planted = tuple[np.ndarray, PlantedFault] | None


def assign(scans: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Say which scan gets which kind of fault; scans without one are left out."""
    order = rng.permutation(np.array(scans, dtype=object))
    kinds = {scan: _TURNS[i % len(_TURNS)] for i, scan in enumerate(order)}
    return {scan: kind for scan, kind in kinds.items() if kind}


def plant(
    planes: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, list[PlantedFault]]:
    """Return masks (D, H, W, C) with a fault of a kind, and the fault.

    Where the masks have no room for it (too few slices), they come back unchanged.
    """
    planted = _PLANTERS[kind](planes, rng)
    if planted is None:
        return planes, []
    changed, fault = planted
    return changed, [fault]


def lines(scan: str, faults: Sequence[PlantedFault], names: Sequence[str]) -> list[str]:
    """The lines `scan,first_slice,last_slice,class,fault`; slices count from 1.

    Two swapped classes are parted by a blank; all classes of a scan are no name.
    """
    rows = []
    for fault in faults:
        every = len(fault.classes) == len(names)
        words = "" if every else " ".join(names[c] for c in fault.classes)
        rows.append(f"{scan},{fault.first + 1},{fault.last + 1},{words},{fault.kind}\n")
    return rows


def _shifted(planes: np.ndarray, rng: np.random.Generator) -> Planted:
    """Shift a class by `SHIFT_PIXELS` in a few slices in a row."""
    picked = _stretch(planes, rng, max(4, len(planes) // 12))
    if picked is None:
        return None
    c, first, last = picked
    part = planes[first : last + 1, ..., c]
    rows, columns = (np.flatnonzero(part.any(axis)) for axis in ((0, 2), (0, 1)))
    fitting = []
    for turn in range(_ANGLES):
        angle = 2 * math.pi * turn / _ANGLES
        y = round(SHIFT_PIXELS * math.sin(angle))
        x = round(SHIFT_PIXELS * math.cos(angle))
        if _fits(rows, y, part.shape[1]) and _fits(columns, x, part.shape[2]):
            fitting.append((y, x))
    if not fitting:
        return None
    changed = planes.copy()
    shift = fitting[rng.integers(len(fitting))]
    changed[first : last + 1, ..., c] = np.roll(part, shift, axis=(1, 2))
    return changed, PlantedFault("shifted", first, last, (c,))


def _fits(covered: np.ndarray, shift: int, size: int) -> bool:
    return bool(covered[0] + shift >= 0 and covered[-1] + shift < size)


def _dropped(planes: np.ndarray, rng: np.random.Generator) -> Planted:
    """Empty a class in one slice inside a run."""
    picked = _stretch(planes, rng, 1)
    if picked is None:
        return None
    c, place, _ = picked
    changed = planes.copy()
    changed[place, ..., c] = False
    return changed, PlantedFault("dropped", place, place, (c,))


def _swapped(planes: np.ndarray, rng: np.random.Generator) -> Planted:
    """Swap two classes, in the whole scan or in one half of the slices they share."""
    present = planes.any(axis=(1, 2))
    count = present.shape[1]
    pairs = [(a, b) for a in range(count) for b in range(a)]
    shared = [np.flatnonzero(present[:, a] & present[:, b]) for a, b in pairs]
    fitting = [i for i, slices in enumerate(shared) if len(slices) >= 3]
    if not fitting:
        return None
    chosen = fitting[rng.integers(len(fitting))]
    pair = sorted(pairs[chosen])
    either = np.flatnonzero(present[:, pair].any(axis=1))
    first, last = int(either[0]), int(either[-1])
    if rng.random() < 0.5:
        first = int(shared[chosen][len(shared[chosen]) // 2])
    changed = planes.copy()
    changed[first : last + 1, ..., pair] = planes[first : last + 1, ..., pair[::-1]]
    return changed, PlantedFault("swapped", first, last, tuple(pair))


def _moved(planes: np.ndarray, rng: np.random.Generator) -> Planted:
    """Move all masks of a scan by several slices; what leaves the scan is lost."""
    depth = len(planes)
    if depth < 8 or not planes.any():
        return None
    steps = int(rng.integers(max(3, depth // 20), max(5, depth // 10) + 1))
    steps *= int(rng.choice([-1, 1]))
    changed = np.zeros_like(planes)
    if steps > 0:
        changed[steps:] = planes[:-steps]
    else:
        changed[:steps] = planes[-steps:]
    filled = np.flatnonzero(changed.any(axis=(1, 2, 3)))
    if not filled.size:
        return None
    classes = tuple(range(planes.shape[-1]))
    return changed, PlantedFault("moved", int(filled[0]), int(filled[-1]), classes)


def _stretch(
    planes: np.ndarray, rng: np.random.Generator, longest: int
) -> tuple[int, int, int] | None:
    """Pick a class and first and last of up to `longest` slices inside a run of it."""
    fitting = []
    for c in range(planes.shape[-1]):
        for start, end in _runs(planes[..., c].any(axis=(1, 2))):
            if end - start >= 3:
                fitting.append((c, start, end))
    if not fitting:
        return None
    c, start, end = fitting[rng.integers(len(fitting))]
    room = end - start - 2
    length = int(rng.integers(min(3, longest, room), min(longest, room) + 1))
    first = int(rng.integers(start + 1, end - length))
    return c, first, first + length - 1


def _runs(present: np.ndarray) -> list[tuple[int, int]]:
    """Start and end, not included, of each run of true values."""
    edges = np.flatnonzero(np.diff(np.r_[False, present, False])).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


_PLANTERS: dict[str, Callable[[np.ndarray, np.random.Generator], Planted]] = {
    "shifted": _shifted,
    "dropped": _dropped,
    "swapped": _swapped,
    "moved": _moved,
}
