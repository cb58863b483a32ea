"""The competition's slices, as the names of their files describe them."""

import dataclasses
import errno
import math
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from competition.core import problems
from competition.core.data import limits

_SCAN = re.compile(r"case([0-9]{1,9})_day([0-9]{1,9})")
# The number of a slice is short: `prepare` lists the numbers that a scan leaves out.
_ID = re.compile(_SCAN.pattern + r"_slice_([0-9]{1,5})")
_NAME = re.compile(
    r"slice_([0-9]{1,5})_([0-9]{1,9})_([0-9]{1,9})_([0-9]+\.[0-9]+)_([0-9]+\.[0-9]+)\.png"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """One slice as its path describes it; `path` is relative to the data folder."""

    id: str
    case: int
    day: int
    slice: int
    scan: str
    path: str
    width: int
    height: int
    spacing_x_mm: float
    spacing_y_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Return the (height, width) in the name."""
        return self.height, self.width


def parse_id(id: str) -> tuple[int, int, int]:
    """Split an id such as `case16_day0_slice_0001` into (case, day, slice)."""
    match = _ID.fullmatch(id)
    if match is None:
        raise ValueError(
            "An id must look like 'case16_day0_slice_0001'. "
            f"Received: {id[:60]!r}. Correct the row."
        )
    case, day, slice = map(int, match.groups())
    return case, day, slice


def scan_of(id: str) -> str:
    """Return the scan of an id: `case16_day0` of `case16_day0_slice_0001`."""
    case, day, _ = parse_id(id)
    return f"case{case}_day{day}"


def find(data: pathlib.Path, part: str) -> list[Image]:
    """List the slices of `data/part` by case, day and slice, from names alone.

    `part` is "train" or "test"; a missing folder gives an empty list.
    """
    slices, faults = find_with_problems(data, part)
    problems.raise_if_any(faults)
    return slices


def find_with_problems(
    data: pathlib.Path, part: str
) -> tuple[list[Image], list[problems.Problem]]:
    """Return the slices of `data/part`, and the problems among its other files."""
    slices: dict[tuple[int, int, int], Image] = {}
    faults: list[problems.Problem] = []
    for scan, entry in _entries(data / part, faults):
        path = f"{part}/case{scan[1]}/{scan[0]}/scans/{entry.name}"
        try:
            image = _describe(data, path, scan[0], entry)
            first = slices.setdefault((image.case, image.day, image.slice), image)
            if first is not image:
                raise ValueError(
                    f"slice {image.slice} of {image.scan} is there already, as "
                    f"{first.path}. Remove one of them."
                )
        except (ValueError, OSError) as error:
            text = f"{data / path}: {error}"
            faults.append(problems.Problem("names", text, _name(scan)))
    return [slices[key] for key in sorted(slices)], faults


def _entries(
    path: pathlib.Path, faults: list[problems.Problem]
) -> Iterator[tuple[re.Match[str], os.DirEntry[str]]]:
    """Yield every entry of the scans' folders, with the match of the scan's name."""
    for case in _list(path, faults):
        for day in _list(case, faults):
            scan = _SCAN.fullmatch(day.name)
            if scan and case.name == f"case{scan[1]}":
                folder = pathlib.Path(day, "scans")
                for entry in _list(folder, faults, scan=_name(scan)):
                    yield scan, entry


def _name(scan: re.Match[str]) -> str:
    """Return the scan's name without leading zeros."""
    return f"case{int(scan[1])}_day{int(scan[2])}"


def _list(
    folder: os.PathLike[str], faults: list[problems.Problem], *, scan: str | None = None
) -> list[os.DirEntry[str]]:
    """List a folder by name; an unreadable folder is a problem of `scan`."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        # A missing folder, a file and a circular link count as empty folders.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            text = f"{os.fspath(folder)}: the folder cannot be read ({error.strerror})"
            faults.append(
                problems.Problem("unreadable folder", f"{text}. Restore it.", scan)
            )
        return []


def _describe(
    data: pathlib.Path, path: str, scan: str, entry: os.DirEntry[str]
) -> Image:
    """Read the name of a slice's file; an entry that is no slice is an error."""
    name = _NAME.fullmatch(entry.name)
    if name is None:
        raise ValueError(
            "a slice's name must look like 'slice_0001_360_310_1.50_1.50.png' (number, "
            "width, height, two spacings in mm). Rename or remove the file."
        )
    width, height = int(name[2]), int(name[3])
    limits.check_slice((height, width))
    if entry.is_symlink():
        # Not `Path.resolve`, which raises an error at a circular link.
        target = pathlib.Path(os.path.realpath(entry))
        if not target.is_relative_to(data.resolve()):
            raise ValueError(
                f"the link leaves the data folder, to {target}. "
                "Put the file itself in its place."
            )
    elif not (entry.is_file() or entry.is_dir()):
        raise ValueError(
            "expected a file, received a pipe, socket or device. Remove it."
        )
    id = f"{scan}_slice_{name[1]}"
    spacings = float(name[4]), float(name[5])
    return Image(id, *parse_id(id), scan_of(id), path, width, height, *spacings)


def check_scan(data: pathlib.Path, slices: Sequence[Image]) -> None:
    """Refuse a scan that is too large; the names of its files give the sizes."""
    shape = max((image.shape for image in slices), key=math.prod)
    limits.check_scan((len(slices), *shape), f"{data / slices[0].path}: ")


def write_scan(
    folder: pathlib.Path, slices: Iterable[np.ndarray], spacing_mm: Sequence[float]
) -> None:
    """Write slices uint16 (H, W) into a new folder; `spacing_mm` is (x, y)."""
    import cv2

    folder.mkdir(parents=True)
    # Two decimals, as in the competition, if they are exact.
    spacings = "_".join(
        f"{mm:.2f}" if round(mm, 2) == mm else f"{mm:.8f}" for mm in spacing_mm
    )
    for number, pixels in enumerate(slices, start=1):
        height, width = pixels.shape
        path = folder / f"slice_{number:04d}_{width}_{height}_{spacings}.png"
        if not cv2.imwrite(str(path), np.ascontiguousarray(pixels)):
            raise OSError(f"{path} could not be written. Is there space on the device?")
