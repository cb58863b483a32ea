"""What a data set is like: sizes, grey values, where organs lie, how large they are."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import masks

QUANTILES = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)
_AREA_QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
_POSITIONS = 24


def describe(
    volume: np.ndarray,
    bits: masks.Bits,
    names: Sequence[str],
    spacing_mm: tuple[float, float, float],
) -> dict[str, Any]:
    """Describe one scan (D, H, W) and its masks; spacings along z, y and x."""
    depth, height, width = volume.shape
    areas = np.stack([masks.plane(bits, c).sum(axis=(1, 2)) for c in range(len(names))])
    litres = np.prod(spacing_mm) / 1000
    return {
        "slices": depth,
        "height": height,
        "width": width,
        "spacing_mm": list(spacing_mm),
        "intensity": dict(
            zip(
                map(str, QUANTILES),
                np.quantile(volume, QUANTILES).tolist(),
                strict=True,
            )
        ),
        "areas": {name: areas[c].tolist() for c, name in enumerate(names)},
        "volume_ml": {
            name: float(areas[c].sum() * litres) for c, name in enumerate(names)
        },
        "overlaps": _overlaps(bits, names),
    }


def summarise(
    scans: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Put scans together: counts of formats, and each class over all slices."""
    formats: dict[str, int] = {}
    overlaps: dict[str, dict[str, int]] = {}
    for scan in scans.values():
        size = f"{scan['slices']} x {scan['height']} x {scan['width']}"
        spacing = " x ".join(f"{each:.2f}" for each in scan["spacing_mm"])
        key = f"{size}, {spacing} mm"
        formats[key] = formats.get(key, 0) + 1
        for pair, counts in scan["overlaps"].items():
            total = overlaps.setdefault(pair, {"slices": 0, "pixels": 0})
            for what, count in counts.items():
                total[what] += count
    return {
        "formats": dict(sorted(formats.items(), key=lambda each: -each[1])),
        "classes": {name: _of_class(scans.values(), name) for name in names},
        "overlaps": overlaps,
        "scans": {
            name: {key: value for key, value in scan.items() if key != "areas"}
            for name, scan in scans.items()
        },
    }


def _of_class(scans: Any, name: str) -> dict[str, Any]:
    """How often a class is there by relative position, and the areas of its masks."""
    seen, slices = np.zeros(_POSITIONS), np.zeros(_POSITIONS)
    areas: list[float] = []
    for scan in scans:
        pixels = np.array(scan["areas"][name])
        place = np.arange(len(pixels)) * _POSITIONS // max(len(pixels), 1)
        np.add.at(seen, place, pixels > 0)
        np.add.at(slices, place, 1)
        _, y, x = scan["spacing_mm"]
        areas += (pixels[pixels > 0] * y * x).tolist()
    found = np.quantile(areas, _AREA_QUANTILES).tolist() if areas else []
    return {
        "slices": int(seen.sum()),
        "scans": sum(any(scan["areas"][name]) for scan in scans),
        "frequency": (seen / np.maximum(slices, 1)).tolist(),
        "area_mm2": dict(zip(map(str, _AREA_QUANTILES), found, strict=False)),
    }


def _overlaps(bits: masks.Bits, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Slices and pixels that two classes share, for pairs that share any."""
    found = {}
    for one, other in itertools.combinations(range(len(names)), 2):
        both = masks.plane(bits, one) & masks.plane(bits, other)
        pixels = both.sum(axis=(1, 2))
        if pixels.any():
            counts = {"slices": int((pixels > 0).sum()), "pixels": int(pixels.sum())}
            found[f"{names[one]} & {names[other]}"] = counts
    return found
