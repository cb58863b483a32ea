"""What a competition folder holds, and all that is wrong with how it hangs together."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from competition.core import files, problems
from competition.core.data import annotations, images, mask_csv
from competition.core.experiment import layout
from competition.prepare import scan_record

SPACING_Z_MM = 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The training part of a folder: slices and rows by scan, classes, problems.

    `gaps` lists the slice numbers that a scan leaves out between its first and last,
    `spacing_z_mm` the distances of slices that are not the competition's.
    """

    data: pathlib.Path
    slices: dict[str, list[images.Image]]
    rows: annotations.ByScan
    classes: list[str]
    problems: list[problems.Problem]
    gaps: dict[str, list[int]]
    spacing_z_mm: dict[str, float]

    def scan(self, name: str) -> scan_record.ScanSource:
        """What is needed to make the arrays of one scan."""
        rows = self.rows.get(name, {})
        return scan_record.ScanSource(self.data, self.slices[name], rows, self.classes)


def read(data: pathlib.Path) -> TrainingFolder:
    """Read the names of all slices and all rows of train.csv; no image is opened."""
    path = data / "train.csv"
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. `prepare` needs the annotations. Check --data; "
            "to predict with a trained run, use `submit`."
        )
    found, faults = images.find_with_problems(data, "train")
    rows, more = mask_csv.read_with_problems(path, "segmentation")
    if not rows:
        problems.raise_if_any(more)
        raise ValueError(f"{path}: no rows below the header. Restore the download.")
    slices: dict[str, list[images.Image]] = {}
    for image in found:
        slices.setdefault(image.scan, []).append(image)
    if not slices and not faults:
        raise ValueError(
            f"{data / 'train'}: no slices. Expected files such as "
            "train/case1/case1_day0/scans/slice_0001_266_266_1.50_1.50.png. "
            "Check --data."
        )
    return TrainingFolder(
        data=data,
        slices=slices,
        rows=annotations.group(rows),
        classes=annotations.classes(rows),
        problems=[*faults, *more, *_mismatches(path, found, rows)],
        gaps={scan: gap for scan in slices if (gap := _gap(slices[scan]))},
        spacing_z_mm=_spacings(data),
    )


def stamp(data: pathlib.Path) -> str:
    """A digest of the names, sizes and times of all that `read` and `prepare` use."""
    lines = sorted(_walk(os.fspath(data / "train")))
    for path in (data / "train.csv", data / layout.GEOMETRY):
        if path.is_file():
            stat = path.stat()
            lines.append(f"{path.name} {stat.st_size} {stat.st_mtime_ns}")
    return files.digest("".join(lines))


def _walk(folder: str, depth: int = 4) -> Iterator[str]:
    """Every file down to train/case/day/scans, with its size and time."""
    # Four times as fast as pathlib's walk: 38,000 files are looked at on each start.
    if not (depth and os.path.isdir(folder)):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if images.is_folder(entry):
                yield from _walk(entry.path, depth - 1)
            else:
                there = not entry.is_symlink() or os.path.exists(entry.path)
                stat = entry.stat(follow_symlinks=there)
                yield f"{entry.path} {stat.st_size} {stat.st_mtime_ns}\n"


def _mismatches(
    path: pathlib.Path, found: list[images.Image], rows: list[mask_csv.Row]
) -> list[problems.Problem]:
    """Rows without a slice, and slices without rows."""
    faults = []
    named = {row.id: row.number for row in reversed(rows)}
    by_id = {image.id: image for image in found}
    for id in sorted(named.keys() - by_id.keys()):
        text = (
            f"{path}, row {named[id]}: no slice for the id {id!r}. "
            "Restore the image or remove the row."
        )
        faults.append(problems.Problem("ids", text, images.scan_of(id)))
    for id in sorted(by_id.keys() - named.keys()):
        text = (
            f"{path}: no row for the slice {by_id[id].path}. "
            "Restore the row or remove the image."
        )
        faults.append(problems.Problem("ids", text, by_id[id].scan))
    return faults


def _spacings(data: pathlib.Path) -> dict[str, float]:
    path = data / layout.GEOMETRY
    if not path.is_file():
        return {}
    try:
        scans = files.read_json(path)["scans"]
        return {scan: float(record["spacing_z_mm"]) for scan, record in scans.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a `spacing_z_mm` for each of its `scans`, as `convert` "
            f"writes it ({error!r}). Convert again, or remove the file."
        ) from error


def _gap(slices: list[images.Image]) -> list[int]:
    numbers = [image.slice for image in slices]
    return sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
