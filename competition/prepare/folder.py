"""Read the training part of a competition folder; list bad names and rows in it."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from competition.core import files, problems
from competition.core.data import annotations, images, mask_csv, slice_spacing
from competition.core.experiment import layout


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The training part of a folder: slices and rows by scan, classes, problems.

    `gaps` lists the slice numbers that a scan leaves out between its first and last.
    `spacing_z_mm` has the distance of slices for the scans that `convert` made.
    """

    data: pathlib.Path
    slices: dict[str, list[images.Image]]
    rows: annotations.ByScan
    classes: list[str]
    problems: list[problems.Problem]
    gaps: dict[str, list[int]]
    spacing_z_mm: dict[str, float]


def read(data: pathlib.Path) -> TrainingFolder:
    """Read all names of slices and all rows of train.csv; open no image."""
    path = data / "train.csv"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. `prepare` needs the annotations. Check `data`; "
            "to predict with a trained run, use `submit`."
        )
    found, faults = images.find_with_problems(data, "train")
    rows, row_faults = mask_csv.read_with_problems(path, "segmentation")
    if not rows:
        problems.raise_if_any(row_faults)
        raise ValueError(f"{path}: no rows below the header. Restore the download.")
    if not found and not faults:
        raise ValueError(
            f"{data / 'train'}: no slices. Expected files such as "
            "train/case1/case1_day0/scans/slice_0001_266_266_1.50_1.50.png. "
            "Check `data`."
        )
    slices: dict[str, list[images.Image]] = {}
    for image in found:
        slices.setdefault(image.scan, []).append(image)
    by_scan = annotations.group(rows)
    return TrainingFolder(
        data=data,
        slices=slices,
        rows={scan: by_scan.get(scan, {}) for scan in slices},
        classes=annotations.classes(rows),
        problems=[*faults, *row_faults, *_mismatches(path, found, rows)],
        gaps={scan: gap for scan in slices if (gap := _gap(slices[scan]))},
        spacing_z_mm=slice_spacing.read(data),
    )


def stamp(data: pathlib.Path) -> str:
    """Return a digest of names, sizes and times of all files that `prepare` uses."""
    lines = sorted(_walk(os.fspath(data / "train")))
    for path in (data / "train.csv", data / layout.GEOMETRY):
        if path.is_file():
            stat = path.stat()
            lines.append(f"{path.name} {stat.st_size} {stat.st_mtime_ns}")
    return files.digest("".join(lines))


def _walk(train: str) -> Iterator[str]:
    """Yield every file down to train/case/day/scans, with its size and time."""
    # Not with pathlib, which takes four times as long for 38,000 files on each start.
    for folder, folders, names in os.walk(train, followlinks=True):
        if folder.count(os.sep) == train.count(os.sep) + 3:
            folders.clear()
        for name in names:
            path = os.path.join(folder, name)
            try:
                stat = os.stat(path)
            except OSError:
                # A link to a missing file.
                stat = os.lstat(path)
            yield f"{path[len(train) :]} {stat.st_size} {stat.st_mtime_ns}\n"


def _mismatches(
    path: pathlib.Path, slices: list[images.Image], rows: list[mask_csv.Row]
) -> list[problems.Problem]:
    """Return a problem for each id without a slice, and each slice without rows."""
    numbers = {row.id: row.number for row in reversed(rows)}
    paths = {image.id: image.path for image in slices}
    texts = {
        id: f"{path}, row {numbers[id]}: no slice for the id {id!r}. "
        "Restore the image or remove the row."
        for id in sorted(numbers.keys() - paths.keys())
    } | {
        id: f"{path}: no row for the slice {paths[id]}. "
        "Restore the row or remove the image."
        for id in sorted(paths.keys() - numbers.keys())
    }
    return [
        problems.Problem("ids", text, images.scan_of(id)) for id, text in texts.items()
    ]


def _gap(slices: list[images.Image]) -> list[int]:
    numbers = [image.slice for image in slices]
    return sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
