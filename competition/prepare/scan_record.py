"""One scan on disk: its arrays, and the record of the files and rows they come from.

The record is written last. The arrays are kept as long as the record agrees with them
and with the folder; otherwise the scan is prepared again.
"""

import json
import pathlib
import zlib
from typing import Any

import numpy as np
import typing_extensions

from competition.core import files, geometry, masks, problems
from competition.core.data import annotations, arrays, body, images, intensities, png
from competition.core.experiment import layout
from competition.prepare import folder


class Record(typing_extensions.TypedDict):
    """The sources of a scan's arrays, and what was found in the arrays.

    `rows` is a checksum of the scan's rows in train.csv. `stats` has path, size and
    time of each slice, `checksums` the checksums of the slices' files. `arrays` has the
    checksums of both arrays, `sizes` their bytes. `box` is the box around the body, or
    None if no body is seen; `outside`, which older records lack, counts the pixels of
    masks beyond it. `overlaps` says whether any pixel has several classes.
    """

    rows: int
    sizes: list[int]
    stats: list[list[Any]]
    checksums: list[int]
    arrays: list[int]
    ranges: list[intensities.Range]
    scan_range: intensities.Range
    box: list[int] | None
    voxels: list[int]
    overlaps: bool
    outside: typing_extensions.NotRequired[int]


def current(
    dataset: layout.DatasetFiles, training: folder.TrainingFolder, scan: str
) -> Record | None:
    """Return the record of a scan if its files, rows and arrays have not changed."""
    try:
        record: Record = files.read_json(dataset.record(scan), Record)
        same = (
            record["rows"] == _rows_checksum(training, scan)
            and record["stats"] == _stats(training, scan)
            and record["sizes"] == sizes(dataset, scan)
        )
    except (OSError, ValueError):
        # Missing, damaged, or written by another version.
        return None
    return record if same else None


def verify(
    dataset: layout.DatasetFiles, training: folder.TrainingFolder, scan: str
) -> bool:
    """Return whether files and arrays of a scan have the checksums of its record."""
    record: Record = files.read_json(dataset.record(scan), Record)
    paths = [training.data / image.path for image in training.slices[scan]]
    try:
        received = [png.checksum(files.read_bytes(path)) for path in paths]
        values = [arrays.load(path) for path in _array_files(dataset, scan)]
    except (ValueError, OSError):
        return False
    # The checksum covers only the values: a header may name another shape.
    shape = (len(paths), *training.slices[scan][0].shape)
    if any(array.shape != shape for array in values):
        return False
    made = [arrays.checksum(array) for array in values]
    return bool(record["checksums"] == received and record["arrays"] == made)


def make(
    dataset: layout.DatasetFiles, training: folder.TrainingFolder, scan: str
) -> tuple[Record | None, list[problems.Problem]]:
    """Write the arrays and the record of a scan; write nothing if it has problems."""
    slices, rows = training.slices[scan], training.rows[scan]
    try:
        images.check_scan(training.data, slices)
    except ValueError as error:
        return None, [problems.Problem("large scans", str(error), scan)]
    stats = _stats(training, scan)
    volume, checksums, faults = intensities.read_scan(training.data, slices)
    table = training.data / "train.csv"
    bits, row_faults = annotations.decode(table, rows, slices, training.classes)
    if faults or row_faults:
        return None, faults + row_faults
    made = [
        arrays.write(dataset.scan(scan), volume),
        arrays.write(dataset.masks(scan), bits),
    ]
    ranges, scan_range = intensities.ranges(volume)
    box = body.box(volume)
    # Most slices are empty, so skip them once and not once a class.
    filled = [plane for plane in bits if plane.any()]
    record: Record = {
        "rows": _rows_checksum(training, scan),
        "sizes": sizes(dataset, scan),
        "stats": stats,
        "checksums": checksums,
        "arrays": made,
        "ranges": ranges,
        "scan_range": scan_range,
        "box": box and list(box),
        "voxels": [
            sum(int(np.count_nonzero(masks.plane(p, index))) for p in filled)
            for index in range(len(training.classes))
        ],
        "outside": sum(_outside(plane, box) for plane in filled),
        # With one bit set, a number shares no bit with the number below it.
        "overlaps": any(bool((plane & (plane - 1)).any()) for plane in filled),
    }
    # Not indented: Python's slow encoder would hold up the other threads.
    files.write_sealed(dataset.record(scan), dict(record), indent=None)
    return record, []


def _outside(plane: np.ndarray, box: geometry.Box | None) -> int:
    """Count the pixels of a mask that lie outside of the body's box."""
    if not box:
        return 0
    top, bottom, left, right = box
    inside = plane[top:bottom, left:right]
    return int(np.count_nonzero(plane) - np.count_nonzero(inside))


def sizes(dataset: layout.DatasetFiles, scan: str) -> list[int]:
    """Return the bytes of both arrays of a scan."""
    return [path.stat().st_size for path in _array_files(dataset, scan)]


def _array_files(dataset: layout.DatasetFiles, scan: str) -> list[pathlib.Path]:
    return [dataset.scan(scan), dataset.masks(scan)]


def _stats(training: folder.TrainingFolder, scan: str) -> list[list[Any]]:
    """Return path, size and time of every file; size and time are -1 if it is gone."""
    stats: list[list[Any]] = []
    for image in training.slices[scan]:
        try:
            stat = (training.data / image.path).stat()
            stats.append([image.path, stat.st_size, stat.st_mtime_ns])
        except OSError:
            stats.append([image.path, -1, -1])
    return stats


def _rows_checksum(training: folder.TrainingFolder, scan: str) -> int:
    rows = [
        (row.id, row.class_name, row.rle)
        for image in training.slices[scan]
        for row in training.rows[scan].get(image.id, ())
    ]
    return zlib.crc32(json.dumps([training.classes, rows]).encode())
