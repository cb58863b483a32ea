"""train.csv against the slices: which classes there are, and every mask decoded."""

import collections
from collections.abc import Iterable

import numpy as np

from competition.core import masks, problems, rle
from competition.core.data import images, mask_csv

ByScan = dict[str, dict[str, list[mask_csv.Row]]]


def group(rows: Iterable[mask_csv.Row]) -> ByScan:
    """Group rows by scan and by id, so that no slice searches the whole table."""
    scans: ByScan = {}
    # Slices of a scan share all but the number: one id is taken apart for all.
    names: dict[str, str] = {}
    for row in rows:
        shared = row.id.rpartition("_slice_")[0]
        if shared not in names:
            names[shared] = images.scan_of(row.id)
        scan = scans.setdefault(names[shared], {})
        scan.setdefault(row.id, []).append(row)
    return scans


def classes(rows: Iterable[mask_csv.Row]) -> list[str]:
    """The classes that the rows name, sorted.

    A name in fewer than half as many rows as the most frequent one is no class but an
    error in those rows: a training table has a row for every slice and class.
    """
    counts = collections.Counter(row.class_name for row in rows)
    most = max(counts.values(), default=0)
    return sorted(name for name, count in counts.items() if count * 2 >= most)


def decode(
    rows: dict[str, list[mask_csv.Row]],
    slices: list[images.Image],
    class_names: list[str],
) -> tuple[np.ndarray, list[problems.Problem]]:
    """Decode the rows of one scan into mask bits (D, H, W), in the slices' order.

    A row that cannot be decoded leaves its mask empty and is a problem.
    """
    shape = slices[0].shape
    bits = np.zeros((len(slices), *shape), masks.bits_type(len(class_names)))
    bit = {name: bits.dtype.type(1 << index) for index, name in enumerate(class_names)}
    faults = []
    for index, slice in enumerate(slices):
        for row in rows.get(slice.id, ()):
            fault = _add(row, bits[index], bit)
            if fault:
                text = f"row {row.number} ({row.id}, {row.class_name}): {fault}"
                faults.append(problems.Problem("masks", text, slice.scan))
    return bits, faults


def _add(
    row: mask_csv.Row, bits: masks.Bits, bit: dict[str, np.unsignedinteger]
) -> str | None:
    """Add a row's mask to the bits (H, W) of its slice, or say why it cannot be."""
    if row.class_name not in bit:
        return (
            f"unknown class {row.class_name!r}. Expected one of {', '.join(bit)}. "
            "Correct the row."
        )
    if row.rle:
        try:
            mask = rle.decode(row.rle, (bits.shape[0], bits.shape[1]))
        except ValueError as error:
            return str(error)
        bits |= mask * bit[row.class_name]
    return None
