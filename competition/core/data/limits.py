"""The largest slices and scans that are read."""

import math
from collections.abc import Sequence

_LARGEST_SIDE = 4096
# Every thread that reads a scan holds the whole scan in memory.
_LARGEST_GIB = 4


def check_slice(shape: Sequence[int], file: str = "") -> None:
    """Refuse a slice (H, W) that is too large; an error begins with `file`."""
    if max(shape) > _LARGEST_SIDE:
        height, width = shape
        raise ValueError(
            f"{file}expected at most {_LARGEST_SIDE} pixels a side, received {width} x "
            f"{height}. Remove the file or make it smaller."
        )


def check_scan(shape: Sequence[int], file: str = "") -> None:
    """Refuse a scan (D, H, W) that is too large; an error begins with `file`."""
    gib = 2 * math.prod(shape) / 2**30
    if gib > _LARGEST_GIB:
        raise ValueError(
            f"{file}expected at most {_LARGEST_GIB} GiB a scan, at two bytes a pixel, "
            f"received {shape[0]} slices that need {gib:.1f} GiB. Make them smaller or "
            "fewer."
        )
