"""The fingerprint of a data set: sizes, grey values, where organs lie, their areas."""

import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import masks

_GREY_QUANTILES = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)
_AREA_QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
_POSITIONS = 24


def describe(
    volume: np.ndarray, bits: masks.Bits, names: Sequence[str], spacing_mm: list[float]
) -> dict[str, Any]:
    """Describe one scan (D, H, W) and its masks; spacings are along z, y and x."""
    depth, height, width = volume.shape
    planes = {name: masks.plane(bits, c) for c, name in enumerate(names)}
    areas = {name: plane.sum(axis=(1, 2)).tolist() for name, plane in planes.items()}
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    overlaps = {}
    for one, other in itertools.combinations(names, 2):
        pixels = (planes[one] & planes[other]).sum(axis=(1, 2))
        if pixels.any():
            counts = {
                "slices": int(np.count_nonzero(pixels)),
                "pixels": int(pixels.sum()),
            }
            overlaps[f"{one} & {other}"] = counts
    return {
        "slices": depth,
        "height": height,
        "width": width,
        "spacing_mm": spacing_mm,
        "intensity": _quantiles(volume, _GREY_QUANTILES),
        "areas": areas,
        "volume_ml": {name: sum(areas[name]) * voxel_ml for name in names},
        "overlaps": overlaps,
    }


def summarise(
    scans: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Put scans together: counts of formats, and each class over all slices."""
    formats: collections.Counter[str] = collections.Counter()
    overlaps: dict[str, collections.Counter[str]] = {}
    for scan in scans.values():
        size = " x ".join(str(scan[axis]) for axis in ("slices", "height", "width"))
        spacing = " x ".join(f"{length:.2f}" for length in scan["spacing_mm"])
        formats[f"{size}, {spacing} mm"] += 1
        for pair, counts in scan["overlaps"].items():
            overlaps.setdefault(pair, collections.Counter()).update(counts)
    return {
        "formats": dict(formats.most_common()),
        "classes": {name: _class_summary(list(scans.values()), name) for name in names},
        "overlaps": overlaps,
        "scans": {
            name: {key: scan[key] for key in scan if key != "areas"}
            for name, scan in scans.items()
        },
    }


def _class_summary(scans: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Count how often a class occurs by relative position; add its masks' areas."""
    planes = [np.array(scan["areas"][name]) for scan in scans]
    spacings = [scan["spacing_mm"] for scan in scans]
    places = [np.arange(len(each)) * _POSITIONS // len(each) for each in planes]
    place, is_there = np.concatenate(places), np.concatenate(planes) > 0
    slices = np.bincount(place, minlength=_POSITIONS)
    filled = np.bincount(place, is_there, minlength=_POSITIONS)
    areas = [each * y * x for each, (_, y, x) in zip(planes, spacings, strict=True)]
    areas_mm2 = np.concatenate(areas)[is_there]
    return {
        "slices": int(is_there.sum()),
        "scans": sum(bool(each.any()) for each in planes),
        "frequency": (filled / np.maximum(slices, 1)).tolist(),
        "area_mm2": _quantiles(areas_mm2, _AREA_QUANTILES) if is_there.any() else {},
    }


def _quantiles(values: Any, levels: Sequence[float]) -> dict[str, float]:
    quantiles = np.quantile(values, levels).tolist()
    return dict(zip(map(str, levels), quantiles, strict=True))
