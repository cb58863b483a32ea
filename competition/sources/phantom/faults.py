"""Faults as annotators and exports make them, planted into a phantom's masks.

The images stay as they are. The planted faults are known, so that an audit can be
judged by them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

SHIFT_PIXELS = 30
# Scans take turns: ten of twelve have a fault, and never more than one.
_TURNS = (
    "moved", "shifted", "dropped", "swapped", "shifted", "dropped", None,
    "moved", "swapped", "shifted", "dropped", None,
)  # fmt: skip
_ANGLES = 2 * np.pi * np.arange(16) / 16


class _NoRoomError(Exception):
    """The masks have no place for the fault."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlantedFault:
    """A planted fault: its first and last slice by index, and its classes."""

    kind: str
    first: int
    last: int
    classes: tuple[int, ...]


def assign(scans: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Return the kind of fault by scan; scans without a fault are left out."""
    order = rng.permutation(np.array(scans, dtype=object))
    kinds = {scan: _TURNS[i % len(_TURNS)] for i, scan in enumerate(order)}
    return {scan: kind for scan, kind in kinds.items() if kind}


def plant(
    planes: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, list[PlantedFault]]:
    """Return masks (D, H, W, C) with a fault of a kind, and the fault.

    If the masks have no room for it (too few slices), they come back unchanged.
    """
    changed = planes.copy()
    try:
        return changed, [_PLANTERS[kind](changed, rng)]
    except _NoRoomError:
        return planes, []


def lines(scan: str, faults: Sequence[PlantedFault], names: Sequence[str]) -> list[str]:
    """Return the lines `scan,first_slice,last_slice,class,fault`; slices count from 1.

    A space separates the names of two swapped classes. The name is empty if the fault
    is in all classes.
    """
    rows = []
    for fault in faults:
        every = len(fault.classes) == len(names)
        words = "" if every else " ".join(names[c] for c in fault.classes)
        rows.append(f"{scan},{fault.first + 1},{fault.last + 1},{words},{fault.kind}\n")
    return rows


def _shift(planes: np.ndarray, rng: np.random.Generator) -> PlantedFault:
    """Shift a class by `SHIFT_PIXELS` in a few slices in a row."""
    c, first, last = _stretch(planes, rng, max(4, len(planes) // 12))
    part = planes[first : last + 1, ..., c]
    covered = np.argwhere(part.any(axis=0))
    directions = np.column_stack([np.sin(_ANGLES), np.cos(_ANGLES)])
    shifts = np.rint(SHIFT_PIXELS * directions).astype(int)
    low, high = covered.min(axis=0) + shifts, covered.max(axis=0) + shifts
    fitting = shifts[((low >= 0) & (high < part.shape[1:])).all(axis=1)]
    part[:] = np.roll(part, _pick(fitting, rng), axis=(1, 2))
    return PlantedFault("shifted", first, last, (c,))


def _drop(planes: np.ndarray, rng: np.random.Generator) -> PlantedFault:
    """Empty a class in one slice inside a run."""
    c, index, _ = _stretch(planes, rng, 1)
    planes[index, ..., c] = False
    return PlantedFault("dropped", index, index, (c,))


def _swap(planes: np.ndarray, rng: np.random.Generator) -> PlantedFault:
    """Swap two classes, in the whole scan or in one half of the slices they share."""
    present = planes.any(axis=(1, 2))
    pairs = [[a, b] for b in range(present.shape[1]) for a in range(b)]
    shared = [(pair, np.flatnonzero(present[:, pair].all(axis=1))) for pair in pairs]
    fitting = [(pair, slices) for pair, slices in shared if len(slices) >= 3]
    pair, slices = _pick(fitting, rng)
    either = np.flatnonzero(present[:, pair].any(axis=1))
    first, last = int(either[0]), int(either[-1])
    if rng.random() < 0.5:
        first = int(slices[len(slices) // 2])
    part = planes[first : last + 1]
    part[..., pair] = part[..., pair[::-1]]
    return PlantedFault("swapped", first, last, tuple(pair))


def _move(planes: np.ndarray, rng: np.random.Generator) -> PlantedFault:
    """Move all masks of a scan by several slices; those that leave it are lost."""
    depth = len(planes)
    if depth < 8 or not planes.any():
        raise _NoRoomError
    steps = int(rng.integers(max(3, depth // 20), max(5, depth // 10) + 1))
    steps *= int(rng.choice([-1, 1]))
    planes[:] = np.roll(planes, steps, axis=0)
    planes[slice(steps) if steps > 0 else slice(steps, None)] = False
    filled = np.flatnonzero(planes.any(axis=(1, 2, 3)))
    if not filled.size:
        raise _NoRoomError
    classes = tuple(range(planes.shape[-1]))
    return PlantedFault("moved", int(filled[0]), int(filled[-1]), classes)


def _stretch(
    planes: np.ndarray, rng: np.random.Generator, longest: int
) -> tuple[int, int, int]:
    """Pick a class, and first and last of up to `longest` slices inside a run of it."""
    fitting = []
    for c, present in enumerate(planes.any(axis=(1, 2)).T):
        runs, _ = ndimage.label(present)
        for (run,) in ndimage.find_objects(runs):
            if run.stop - run.start >= 3:
                fitting.append((c, run))
    c, run = _pick(fitting, rng)
    room = run.stop - run.start - 2
    length = int(rng.integers(min(3, longest, room), min(longest, room) + 1))
    first = int(rng.integers(run.start + 1, run.stop - length))
    return c, first, first + length - 1


def _pick(fitting: Sequence[Any], rng: np.random.Generator) -> Any:
    if not len(fitting):
        raise _NoRoomError
    return fitting[rng.integers(len(fitting))]


_PLANTERS = {"shifted": _shift, "dropped": _drop, "swapped": _swap, "moved": _move}
