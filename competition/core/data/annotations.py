"""Read classes and masks from the rows of a mask table."""

import collections
import pathlib
from collections.abc import Iterable

import numpy as np

from competition.core import masks, problems, rle
from competition.core.data import images, mask_csv

ByScan = dict[str, dict[str, list[mask_csv.Row]]]


def group(rows: Iterable[mask_csv.Row]) -> ByScan:
    """Group rows by scan and by id, so that no slice searches the whole table."""
    scans: ByScan = {}
    # Parsing an id is slow. The ids of a scan differ in the slice only, so parse one.
    names: dict[str, str] = {}
    for row in rows:
        prefix = row.id.rpartition("_slice_")[0]
        if prefix not in names:
            names[prefix] = images.scan_of(row.id)
        scan = scans.setdefault(names[prefix], {})
        scan.setdefault(row.id, []).append(row)
    return scans


def classes(rows: Iterable[mask_csv.Row]) -> list[str]:
    """Return the classes that the rows name, sorted.

    A training table has a row for every slice and class. A name with fewer than half
    the rows of the most frequent name is therefore an error, and is left out.
    """
    counts = collections.Counter(row.class_name for row in rows)
    most = max(counts.values(), default=0)
    return sorted(name for name, count in counts.items() if count * 2 >= most)


def decode(
    table: pathlib.Path,
    rows: dict[str, list[mask_csv.Row]],
    slices: list[images.Image],
    class_names: list[str],
) -> tuple[np.ndarray, list[problems.Problem]]:
    """Decode a scan's rows of `table` into mask bits (D, H, W), in the slices' order.

    A row that cannot be decoded leaves its mask empty and is returned as a problem.
    """
    shape = slices[0].shape
    bits = np.zeros((len(slices), *shape), masks.bits_type(len(class_names)))
    bit = {name: bits.dtype.type(1 << index) for index, name in enumerate(class_names)}
    faults = []
    for index, slice in enumerate(slices):
        for row in rows.get(slice.id, ()):
            try:
                if row.class_name not in bit:
                    raise ValueError(
                        f"unknown class {row.class_name!r}. Expected one of "
                        f"{', '.join(bit)}. Correct the row."
                    )
                if row.rle:
                    bits[index] |= rle.decode(row.rle, shape) * bit[row.class_name]
            except ValueError as error:
                where = f"{table}, row {row.number} ({row.id}, {row.class_name})"
                text = f"{where}: {error}"
                faults.append(problems.Problem("masks", text, slice.scan))
    return bits, faults
