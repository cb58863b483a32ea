"""The test folder as it comes: what is asked for, what is there, what can be read.

Nothing here is an error: a slice that cannot be read costs its own mask at most.
"""

import dataclasses
import pathlib

import numpy as np

from competition.core import geometry, problems
from competition.core.data import images, mask_csv

RowKey = tuple[str, str]
Faults = list[problems.Problem]


@dataclasses.dataclass(frozen=True, slots=True)
class TestFolder:
    """The (id, class) of every row to write, and the slices of the scans to predict."""

    wanted: list[RowKey]
    scans: dict[str, list[images.Image]]
    faults: Faults


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class TestScan:
    """One scan as read: uint16 (D, H, W), None where no slice could be read.

    `sizes` are those of the masks to write: None where the mask has to stay empty.
    """

    images: list[images.Image]
    volume: np.ndarray | None
    sizes: list[tuple[int, int] | None]
    faults: Faults

    @property
    def name(self) -> str:
        """Such as case16_day0."""
        return self.images[0].scan


def look(data: pathlib.Path, classes: tuple[str, ...]) -> TestFolder:
    """List what the sample asks for and what the test folder holds.

    Without a sample, or with an empty one beside images, it is each class of each.
    """
    try:
        found, faults = images.look(data, "test")
    except OSError as error:
        found, faults = [], [problems.Problem("unreadable folder", str(error))]
    wanted, more = _sample(data / "sample_submission.csv")
    if not wanted:
        wanted = [(image.id, name) for image in found for name in classes]
    faults += [*more, *_differences(wanted, found, classes)]
    ids = {id for id, _ in wanted}
    scans: dict[str, list[images.Image]] = {}
    for image in found:
        scans.setdefault(image.scan, []).append(image)
    # A scan stays whole: its slices are each other's neighbours.
    asked = {k: v for k, v in scans.items() if any(image.id in ids for image in v)}
    return TestFolder(wanted, asked, faults)


def _sample(path: pathlib.Path) -> tuple[list[RowKey], Faults]:
    """The pairs of the sample's rows, in their order, whatever else is in them."""
    if not path.is_file():
        return [], []
    try:
        (_, names), *table = mask_csv.lines(path)
        place = names.index("id"), names.index("class")
    except (ValueError, OSError) as error:
        text = f"{path} cannot be read ({error}); every slice gets its rows."
        return [], [problems.Problem("sample", text)]
    rows = [fields for _, fields in table if len(fields) > max(place)]
    faults = []
    if len(rows) < len(table):
        text = f"{path}: {len(table) - len(rows)} rows without id or class, left out."
        faults.append(problems.Problem("sample", text))
    pairs = [(fields[place[0]], fields[place[1]]) for fields in rows]
    return list(dict.fromkeys(pairs)), faults


def _differences(
    wanted: list[RowKey], found: list[images.Image], classes: tuple[str, ...]
) -> Faults:
    """Rows without an image or of another class, and images without a row."""
    there, ids = {image.id for image in found}, {id for id, _ in wanted}
    unknown = sorted({name for _, name in wanted} - set(classes))
    faults = [
        problems.Problem("unknown class", f"no model knows the class {name!r}; its "
                         "rows stay empty.")
        for name in unknown
    ]  # fmt: skip
    for kind, odd, what in (
        ("id without image", ids - there, "ids of the sample have no image; they stay "
         "empty."),
        ("image without id", there - ids, "test slices have no row in the sample; they "
         "are ignored."),
    ):  # fmt: skip
        if odd:
            text = f"{len(odd)} {what} The first: {min(odd)}."
            faults.append(problems.Problem(kind, text))
    return faults


def state(data: pathlib.Path, test: TestFolder) -> tuple[str, list[tuple[int, int]]]:
    """Where the slices lie, and each file's size and time; (0, 0) without a file."""
    states = []
    for image in (image for scan in test.scans.values() for image in scan):
        try:
            stat = (data / image.path).stat()
            states.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            states.append((0, 0))
    return str(data.resolve()), states


def read(data: pathlib.Path, found: list[images.Image]) -> TestScan:
    """Read the slices of one scan; one that cannot be read looks like its neighbour.

    A slice of another size than most is cut or padded to theirs.
    """
    pixels: dict[int, np.ndarray] = {}
    faults = []
    for index, image in enumerate(found):
        try:
            pixels[index] = images.read(data / image.path, image.shape)
        except (ValueError, OSError) as error:
            faults.append(problems.Problem("unreadable slice", str(error), image.scan))
    shapes = [plane.shape for plane in pixels.values()]
    if not shapes:
        text = f"{found[0].scan}: no slice can be read; its masks stay empty."
        faults.append(problems.Problem("unreadable scan", text, found[0].scan))
        return TestScan(found, None, [None] * len(found), faults)
    common = max(shapes, key=shapes.count)
    volume = np.empty((len(found), *common), np.uint16)
    sizes: list[tuple[int, int] | None] = []
    for index, image in enumerate(found):
        _, nearest = min((abs(other - index), other) for other in pixels)
        geometry.place(pixels[nearest], volume[index])
        size = _size(data / image.path, image, is_read=nearest == index)
        if nearest == index and size != common:
            text = f"{data / image.path}: {size} pixels (H, W) in a scan of {common}."
            faults.append(problems.Problem("odd slice", text, image.scan))
        # What of an unreadable slice is known is its neighbour's mask, in its size.
        sizes.append(size if nearest == index or size == common else None)
    return TestScan(found, volume, sizes, faults)


def _size(path: pathlib.Path, image: images.Image, *, is_read: bool) -> tuple[int, int]:
    """The (height, width) that the slice's mask must have."""
    try:
        return image.shape if is_read else images.shape(path)
    except (ValueError, OSError):
        return image.shape
