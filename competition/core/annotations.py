"""train.csv against the slices: every row checked, every mask decoded."""

from collections.abc import Iterable

import numpy as np

from competition.core import images, masks, rle, submission

ByScan = dict[str, dict[str, list[submission.Row]]]


def group(rows: Iterable[submission.Row]) -> ByScan:
    """Group rows by scan and by id, so that no slice searches the whole table."""
    scans: ByScan = {}
    for row in rows:
        scan = scans.setdefault(images.scan_of(row.id), {})
        scan.setdefault(row.id, []).append(row)
    return scans


def classes(rows: Iterable[submission.Row]) -> list[str]:
    """The classes that the rows name, sorted."""
    return sorted({row.class_name for row in rows})


def decode(
    rows: dict[str, list[submission.Row]],
    slices: list[images.Image],
    class_names: list[str],
) -> np.ndarray:
    """Decode the rows of one scan into mask bits (D, H, W), in the slices' order."""
    shape = slices[0].shape
    bits = np.zeros((len(slices), *shape), masks.bits_type(len(class_names)))
    bit = {name: bits.dtype.type(1 << index) for index, name in enumerate(class_names)}
    for index, slice in enumerate(slices):
        for row in rows[slice.id]:
            if row.rle:
                bits[index][_decode_row(row, shape)] |= bit[row.class_name]
    return bits


def _decode_row(row: submission.Row, shape: tuple[int, int]) -> np.ndarray:
    try:
        return rle.decode(row.rle, shape)
    except ValueError as error:
        raise ValueError(
            f"row {row.number} ({row.id}, {row.class_name}): {error}"
        ) from error
