"""The size that slices are brought to, by their pixels and what these measure."""

import dataclasses
from typing import Any

import numpy as np

# A frame that few scans exceed is taken where it has this share of the pixels at most.
# Slices that are scaled to one spacing may differ more, since else organs would.
_FEW, _SHARE, _SHARE_SCALED = 0.1, 0.5, 0.25
# Where spacings differ more than this, all slices are scaled to the median. Where the
# largest slice would then have so many times the pixels, one of them must be wrong.
_SPACINGS, _MOST_LARGER = 1.5, 16


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """A height and width in pixels, and how slices are brought to them by `fit`.

    With "spacing" they are those of the largest slice where pixels are `spacing_mm`
    long. `reason` is that of the fit.
    """

    height: int
    width: int
    fit: str = "pad"
    reason: str = "slices keep their pixels"
    spacing_mm: float = 1.0

    @property
    def about(self) -> str:
        """Say whose size it is."""
        size = f"{self.height} x {self.width} pixels"
        if self.fit == "letterbox":
            return f"nine in ten are at most {size}"
        return f"the largest is {size}" + (
            f" of {self.spacing_mm:.3g} mm" if self.fit == "spacing" else ""
        )


def of(sizes: np.ndarray, spacings: np.ndarray) -> Frame:
    """Return the frame of scans whose slices have `sizes` (N, 2) and `spacings` (N, 2).

    Sizes are (height, width) in pixels, spacings (y, x) in mm.
    """
    largest = sizes.max(axis=0)
    few, median, most = np.quantile(spacings.mean(axis=1), (_FEW, 0.5, 1 - _FEW))
    scaled = np.rint(sizes * spacings / median)
    is_plausible = scaled.max(axis=0).prod() <= _MOST_LARGER * largest.prod()
    if (
        most > _SPACINGS * few
        and is_plausible
        and not _has_few_larger(scaled, _SHARE_SCALED)
    ):
        text = f"pixels are {few:.2g} to {most:.2g} mm long"
        return _frame(scaled.max(axis=0), "spacing", text, float(median))
    if _has_few_larger(sizes, _SHARE):
        typical = _typical(sizes)
        text = f"few are larger, up to {largest[0]} x {largest[1]} pixels"
        return _frame(typical, "letterbox", text)
    return _frame(largest)


def _typical(sizes: np.ndarray) -> np.ndarray:
    """Return the height and width that nine in ten scans have at most."""
    return np.quantile(sizes, 1 - _FEW, axis=0, method="higher")


def _has_few_larger(sizes: np.ndarray, share: float) -> bool:
    """Return whether a few large scans would multiply the pixels of all others."""
    return bool(_typical(sizes).prod() <= share * sizes.max(axis=0).prod())


def _frame(size: np.ndarray, *others: Any) -> Frame:
    return Frame(int(size[0]), int(size[1]), *others)
