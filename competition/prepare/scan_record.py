"""One scan on disk: its arrays, and the record of what they were made of.

The record is written last. Where it agrees with the folder, the arrays are there and
whole; where it does not, or is missing, the scan is made again.
"""

import dataclasses
import json
import pathlib
import zlib
from typing import Any

from competition.core import files, masks, problems
from competition.core.data import annotations, arrays, images, intensities, mask_csv
from competition.core.experiment import layout


@dataclasses.dataclass(frozen=True, slots=True)
class ScanSource:
    """What the competition folder holds of one scan."""

    data: pathlib.Path
    slices: list[images.Image]
    rows: dict[str, list[mask_csv.Row]]
    classes: list[str]


Record = dict[str, Any]


def current(dataset: layout.DatasetFiles, scan: ScanSource) -> Record | None:
    """The record of a scan whose files and rows are as they were; None otherwise."""
    name = scan.slices[0].scan
    path = dataset.record(name)
    if not all(p.is_file() for p in (path, dataset.scan(name), dataset.masks(name))):
        return None
    try:
        record: Record = files.read_json(path)
        same = record["rows"] == _rows(scan) and record["stats"] == _stats(scan)
        sizes = [p.stat().st_size for p in (dataset.scan(name), dataset.masks(name))]
        same = same and record["sizes"] == sizes
    except (ValueError, KeyError, TypeError):
        # Damaged, or written by another version: made again.
        return None
    return record if same else None


def verify(dataset: layout.DatasetFiles, scan: ScanSource, record: Record) -> bool:
    """Whether every file and both arrays still have the checksums of the record."""
    name = scan.slices[0].scan
    paths = [scan.data / image.path for image in scan.slices]
    made = [dataset.scan(name), dataset.masks(name)]
    received = [images.checksum(path.read_bytes()) for path in paths]
    try:
        contents = [arrays.checksum(arrays.load(path)) for path in made]
    except (ValueError, OSError, EOFError):
        return False
    return record["checksums"] == received and record["arrays"] == contents


def make(
    dataset: layout.DatasetFiles, scan: ScanSource
) -> tuple[Record | None, list[problems.Problem]]:
    """Write the arrays and the record of a scan; with problems nothing is written."""
    name = scan.slices[0].scan
    made = [dataset.scan(name), dataset.masks(name)]
    stats = _stats(scan)
    bits, faults = annotations.decode(scan.rows, scan.slices, scan.classes)
    named = [
        dataclasses.replace(fault, text=f"{scan.data / 'train.csv'}, {fault.text}")
        for fault in faults
    ]
    slices = intensities.ScanReader(scan.data, scan.slices, named)
    try:
        checksums = [arrays.write(made[0], slices)]
    except problems.ProblemsFound as found:
        return None, found.problems
    checksums.append(arrays.write(made[1], bits))
    ranges, scan_range = slices.ranges()
    record = {
        "rows": _rows(scan),
        "sizes": [path.stat().st_size for path in made],
        "stats": stats,
        "checksums": slices.checksums,
        "arrays": checksums,
        "ranges": ranges,
        "scan_range": scan_range,
        "voxels": _voxels(bits, len(scan.classes)),
    }
    # Not indented: Python's slow encoder would hold up the other threads.
    files.write_text(dataset.record(name), json.dumps(record, allow_nan=False))
    return record, []


def _voxels(bits: masks.Bits, classes: int) -> list[int]:
    # Most slices are empty: they are looked at once, not once a class.
    filled = [plane for plane in bits if plane.any()]
    return [
        sum(masks.count(plane, index) for plane in filled) for index in range(classes)
    ]


def _stats(scan: ScanSource) -> list[list[Any]]:
    """The path, size and time of every file; a file that is gone has neither."""
    return [[i.path, *_stat(scan.data / i.path)] for i in scan.slices]


def _stat(path: pathlib.Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _rows(scan: ScanSource) -> int:
    masks_as_text = [
        (row.id, row.class_name, row.rle)
        for image in scan.slices
        for row in scan.rows.get(image.id, ())
    ]
    return zlib.crc32(json.dumps([scan.classes, masks_as_text]).encode())
