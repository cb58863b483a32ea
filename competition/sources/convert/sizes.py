"""Sizes of volumes and images, from their headers, before anything is converted.

A file whose header cannot be read is left to the conversion, which says why.
"""

import pathlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from competition.core import problems
from competition.core.data import limits
from competition.sources.convert import frames, volumes


def check_volumes(paths: Iterable[pathlib.Path], axis: str) -> None:
    """Refuse volumes that are too large when cut along `axis`; all are listed."""
    faults: list[problems.Problem] = []
    for path in paths:
        geometry = volumes.read_header(path)
        if geometry and len(geometry.size) == 3:
            frame = frames.find(geometry.direction, axis)
            stored = np.broadcast_to(np.uint16(0), geometry.size[::-1])
            shape = frames.apply(stored, frame).shape
            faults += _of_slice(path, shape[1:]) + _of_scan(path, shape)
    problems.raise_if_any(faults)


def check_images(scans: Iterable[Sequence[pathlib.Path]]) -> None:
    """Refuse images that are too large, or too many for a scan; all are listed."""
    faults: list[problems.Problem] = []
    for paths in scans:
        shapes = []
        for path in paths:
            if geometry := volumes.read_header(path):
                shapes.append(geometry.size[1::-1])
                faults += _of_slice(path, shapes[-1])
        if shapes:
            faults += _of_scan(paths[0], (len(paths), *shapes[0]))
    problems.raise_if_any(faults)


def _of_slice(path: pathlib.Path, shape: Sequence[int]) -> list[problems.Problem]:
    """Return what is wrong with slices of a `shape` (H, W)."""
    return _faults(limits.check_slice, path, shape, "too many pixels a side")


def _of_scan(path: pathlib.Path, shape: Sequence[int]) -> list[problems.Problem]:
    """Return what is wrong with a scan of a `shape` (D, H, W) that begins at `path`."""
    return _faults(limits.check_scan, path, shape, "too large a scan")


def _faults(
    check: Callable[[Sequence[int], str], None],
    path: pathlib.Path,
    shape: Sequence[int],
    kind: str,
) -> list[problems.Problem]:
    """Return the error of a check as a problem of a kind."""
    try:
        check(shape, f"{path}: ")
    except ValueError as error:
        return [problems.Problem(kind, str(error))]
    return []
