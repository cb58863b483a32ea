"""The competition's slices: what their names say and what their files hold."""

import dataclasses
import pathlib
import re
import struct

import numpy as np

_ID = re.compile(r"case(\d+)_day(\d+)_slice_(\d+)")
_NAME = re.compile(r"slice_(\d+)_(\d+)_(\d+)_(\d+\.\d+)_(\d+\.\d+)\.png")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RANGE_PERCENT = (0.5, 99.5)
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


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
            f"Received: {id!r}. Correct the row."
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
    paths = (data / part).glob("case*/case*_day*/scans/*.png")
    found = [_describe(path, data) for path in paths]
    return sorted(found, key=lambda image: (image.case, image.day, image.slice))


def _describe(path: pathlib.Path, data: pathlib.Path) -> Image:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(
            f"{path}: a slice's name must look like 'slice_0001_360_310_1.50_1.50.png' "
            "(number, width, height, two spacings in mm). Rename or remove the file."
        )
    number, width, height, spacing_x, spacing_y = match.groups()
    id = f"{path.parents[1].name}_slice_{number}"
    case, day, slice = parse_id(id)
    return Image(
        id=id,
        case=case,
        day=day,
        slice=slice,
        scan=f"case{case}_day{day}",
        path=path.relative_to(data).as_posix(),
        width=int(width),
        height=int(height),
        spacing_x_mm=float(spacing_x),
        spacing_y_mm=float(spacing_y),
    )


def shape(path: pathlib.Path) -> tuple[int, int]:
    """Return (height, width) from the header of a PNG without decoding it."""
    with path.open("rb") as file:
        return _check_header(path, file.read(33))


def read(path: pathlib.Path, expected: tuple[int, int]) -> np.ndarray:
    """Read a slice as uint16 (H, W); it must have the `expected` (height, width)."""
    import cv2

    data = path.read_bytes()
    received = _check_header(path, data)
    if received != expected:
        raise ValueError(
            f"{path}: expected {expected[1]} x {expected[0]} pixels (width x height) "
            f"from the name, received {received[1]} x {received[0]}. "
            "Rename the file or restore it from the download."
        )
    image = None
    if data.endswith(_END):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(
            f"{path}: the PNG is truncated or damaged ({len(data)} bytes). "
            "Restore it from the download."
        )
    return image


def read_scan(data: pathlib.Path, found: list[Image]) -> np.ndarray:
    """Read the slices of one scan as uint16 (D, H, W); all must be of one size."""
    shapes = [image.shape for image in found]
    common = max(shapes, key=shapes.count)
    volume = np.empty((len(found), *common), np.uint16)
    for index, image in enumerate(found):
        pixels = read(data / image.path, image.shape)
        if image.shape != common:
            raise ValueError(
                f"{data / image.path}: {image.width} x {image.height} pixels in a "
                f"scan of {common[1]} x {common[0]}. A scan has one size; restore the "
                "file from the download."
            )
        volume[index] = pixels
    return volume


def intensity_range(image: np.ndarray) -> tuple[float, float]:
    """The robust (low, high) of an image or volume; high is above low always."""
    low, high = np.percentile(image, _RANGE_PERCENT)
    return float(low), float(max(high, low + 1))


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
