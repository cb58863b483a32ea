"""The competition's slices: what their names say and what their files hold."""

import dataclasses
import os
import pathlib
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from competition.core import problems

# Not more digits of a slice: the numbers that a scan leaves out are listed.
_ID = re.compile(r"case([0-9]{1,9})_day([0-9]{1,9})_slice_([0-9]{1,5})")
_SCAN = re.compile(r"case([0-9]{1,9})_day([0-9]{1,9})")
_NAME = re.compile(
    r"slice_([0-9]{1,5})_([0-9]{1,9})_([0-9]{1,9})_([0-9]+\.[0-9]+)_([0-9]+\.[0-9]+)\.png"
)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 4096


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
        """The array's (height, width) that the name promises."""
        return self.height, self.width


def parse_id(id: str) -> tuple[int, int, int]:
    """Split an id such as `case16_day0_slice_0001` into (case, day, slice)."""
    match = _ID.fullmatch(id)
    if match is None:
        raise ValueError(
            "An id must look like 'case16_day0_slice_0001'. "
            f"Received: {id[:60]!r}. Correct the row."
        )
    case, day, slice = (int(number) for number in match.groups())
    return case, day, slice


def scan_of(id: str) -> str:
    """Return the scan of an id: `case16_day0` of `case16_day0_slice_0001`."""
    case, day, _ = parse_id(id)
    return f"case{case}_day{day}"


def find(data: pathlib.Path, part: str) -> list[Image]:
    """List the slices of `data/part` by case, day and slice, from names alone.

    `part` is "train" or "test"; a missing folder gives an empty list.
    """
    found, faults = find_with_problems(data, part)
    problems.raise_if_any(faults)
    return found


def find_with_problems(
    data: pathlib.Path, part: str
) -> tuple[list[Image], list[problems.Problem]]:
    """List the slices of `data/part`, and what lies there that is none."""
    found: dict[tuple[int, int, int], Image] = {}
    faults: list[problems.Problem] = []
    for scan, entry in _entries(data / part, faults):
        path = f"{part}/case{scan[1]}/{scan[0]}/scans/{entry.name}"
        name = _NAME.fullmatch(entry.name)
        image = _describe(scan, name, path) if name else None
        fault = _fault(data, entry, image)
        if image and not fault:
            first = found.setdefault((image.case, image.day, image.slice), image)
            if first is not image:
                fault = (
                    f"slice {image.slice} of {image.scan} is there already, as "
                    f"{first.path}. Remove one of them."
                )
        if fault:
            whose = f"case{int(scan[1])}_day{int(scan[2])}"
            faults.append(problems.Problem("names", f"{data / path}: {fault}", whose))
    return [found[key] for key in sorted(found)], faults


def _entries(
    path: pathlib.Path, faults: list[problems.Problem]
) -> Iterator[tuple[re.Match[str], os.DirEntry[str]]]:
    """All that lies in the scan folders, with the match of the scan's name."""
    for case in filter(is_folder, _list(path, faults)):
        for day in filter(is_folder, _list(pathlib.Path(case), faults)):
            scan = _SCAN.fullmatch(day.name)
            if scan and case.name == f"case{scan[1]}":
                whose = f"case{int(scan[1])}_day{int(scan[2])}"
                slices = _list(pathlib.Path(day, "scans"), faults, scan=whose)
                yield from ((scan, entry) for entry in slices)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; a link that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _list(
    path: pathlib.Path, faults: list[problems.Problem], *, scan: str | None = None
) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; one that cannot be read costs only itself."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        text = f"{path}: the folder cannot be read ({error.strerror}). Restore it."
        faults.append(problems.Problem("unreadable folder", text, scan))
        return []


def _fault(
    data: pathlib.Path, entry: os.DirEntry[str], image: Image | None
) -> str | None:
    """Say why what lies in a scan's folder is no slice of it; None if it is one."""
    if image is None:
        return (
            "a slice's name must look like 'slice_0001_360_310_1.50_1.50.png' (number, "
            "width, height, two spacings in mm). Rename or remove the file."
        )
    if max(image.shape) > _LARGEST:
        return (
            f"expected at most {_LARGEST} pixels a side, received {image.width} x "
            f"{image.height}. Remove the file or make it smaller."
        )
    if not (entry.is_symlink() or entry.is_file() or entry.is_dir()):
        return "expected a file, received a pipe, socket or device. Remove it."
    if entry.is_symlink():
        # Not `Path.resolve`, which raises where links lead round in a circle.
        target = pathlib.Path(os.path.realpath(entry))
        if not target.is_relative_to(data.resolve()):
            return (
                f"the link leaves the data folder, to {target}. "
                "Put the file itself in its place."
            )
    return None


def _describe(scan: re.Match[str], name: re.Match[str], path: str) -> Image:
    case, day = int(scan[1]), int(scan[2])
    return Image(
        id=f"{scan[0]}_slice_{name[1]}",
        case=case,
        day=day,
        slice=int(name[1]),
        scan=f"case{case}_day{day}",
        path=path,
        width=int(name[2]),
        height=int(name[3]),
        spacing_x_mm=float(name[4]),
        spacing_y_mm=float(name[5]),
    )


def shape(path: pathlib.Path) -> tuple[int, int]:
    """Return (height, width) from the header of a PNG without decoding it."""
    with path.open("rb") as file:
        return _check_header(path, file.read(33))


def read(path: pathlib.Path, expected: tuple[int, int]) -> np.ndarray:
    """Read a slice as uint16 (H, W); it must have the `expected` (height, width)."""
    return read_checked(path, expected)[0]


def read_checked(
    path: pathlib.Path, expected: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """Read a slice as uint16 (H, W) of the expected size, and its file's checksum."""
    import cv2

    data = path.read_bytes()
    received = _check_header(path, data)
    if received != expected:
        raise ValueError(
            f"{path}: expected {expected[1]} x {expected[0]} pixels (width x height) "
            f"from the name, received {received[1]} x {received[0]}. "
            "Rename the file or restore it from the download."
        )
    # OpenCV fills up what is missing with grey and says nothing.
    image, found = None, checksum(data)
    if found is not None:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or image is None:
        raise ValueError(
            f"{path}: the PNG is truncated or damaged ({len(data)} bytes). "
            "Restore it from the download."
        )
    return image, found


def checksum(data: bytes) -> int | None:
    """The checksum of a PNG: of its signature and its chunks' own, which are compared.

    None where one differs or the chunks do not reach the end.
    """
    place, found = 8, zlib.crc32(data[:8])
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            return None
        expected = data[end - 4 : end]
        received = zlib.crc32(memoryview(data)[place + 4 : end - 4])
        if received != int.from_bytes(expected):
            return None
        found = zlib.crc32(expected, found)
        if kind == b"IEND":
            return found
        place = end
    return None


def _check_header(path: pathlib.Path, data: bytes) -> tuple[int, int]:
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError(
            f"{path}: expected a PNG, received {len(data)} bytes that are none. "
            "Restore it from the download."
        )
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if (depth, colour) != (16, 0):
        raise ValueError(
            f"{path}: expected a 16-bit grey PNG, received {depth} bits and colour "
            f"type {colour}. Restore it from the download or convert it."
        )
    return height, width
