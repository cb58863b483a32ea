"""The test folder in any state: the rows to write, and the slices that can be read.

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

    rows: list[RowKey]
    scans: dict[str, list[images.Image]]
    faults: Faults


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class TestScan:
    """One scan as read: uint16 (D, H, W), None where no slice could be read.

    `sizes` holds the (height, width) of each mask to write; a mask whose size is None
    stays empty.
    """

    images: list[images.Image]
    volume: np.ndarray | None
    sizes: list[tuple[int, int] | None]
    faults: Faults

    @property
    def name(self) -> str:
        """The name of the scan, such as case16_day0."""
        return self.images[0].scan


def unread(slices: list[images.Image], faults: Faults) -> TestScan:
    """Return a scan of which nothing could be read, so that its masks stay empty."""
    return TestScan(slices, None, [None] * len(slices), faults)


def find(data: pathlib.Path, classes: tuple[str, ...]) -> TestFolder:
    """List the rows of the sample submission and the scans of the test folder.

    Without a sample, or with an empty one beside images, every slice gets a row for
    each class.
    """
    try:
        slices, faults = images.find_with_problems(data, "test")
    except OSError as error:
        slices, faults = [], [problems.Problem("unreadable folder", str(error))]
    rows, sample_faults = _sample(data / "sample_submission.csv")
    if not rows:
        rows = [(image.id, name) for image in slices for name in classes]
    faults += [*sample_faults, *_differences(rows, slices, classes)]
    ids = {id for id, _ in rows}
    scans: dict[str, list[images.Image]] = {}
    for image in slices:
        scans.setdefault(image.scan, []).append(image)
    # A scan stays whole, for its slices are each other's neighbours.
    asked = {k: v for k, v in scans.items() if any(image.id in ids for image in v)}
    return TestFolder(rows, asked, faults)


def _sample(path: pathlib.Path) -> tuple[list[RowKey], Faults]:
    """Return the (id, class) of the sample's rows, in their order and each once."""
    if not path.is_file():
        return [], []
    try:
        (_, names), *table = mask_csv.lines(path)
        columns = names.index("id"), names.index("class")
    except (ValueError, OSError) as error:
        text = f"{path} cannot be read ({error}); every slice gets its rows."
        return [], [problems.Problem("sample", text)]
    rows = [fields for _, fields in table if len(fields) > max(columns)]
    faults = []
    if len(rows) < len(table):
        text = f"{path}: {len(table) - len(rows)} rows without id or class, left out."
        faults.append(problems.Problem("sample", text))
    pairs = [(fields[columns[0]], fields[columns[1]]) for fields in rows]
    return list(dict.fromkeys(pairs)), faults


def _differences(
    rows: list[RowKey], slices: list[images.Image], classes: tuple[str, ...]
) -> Faults:
    """List rows without an image or of an unknown class, and images without a row."""
    slice_ids, row_ids = {image.id for image in slices}, {id for id, _ in rows}
    faults = [
        problems.Problem("unknown class", f"no model knows the class {name!r}; its "
                         "rows stay empty.")
        for name in sorted({name for _, name in rows} - set(classes))
    ]  # fmt: skip
    for kind, ids, text in (
        ("id without image", row_ids - slice_ids, "ids of the sample have no image; "
         "they stay empty."),
        ("image without id", slice_ids - row_ids, "test slices have no row in the "
         "sample; they are ignored."),
    ):  # fmt: skip
        if ids:
            text = f"{len(ids)} {text} The first: {min(ids)}."
            faults.append(problems.Problem(kind, text))
    return faults


def state(data: pathlib.Path, test: TestFolder) -> tuple[str, list[tuple[int, int]]]:
    """Return the folder, and the size and time of each slice; (0, 0) without a file."""
    states = []
    for image in (image for scan in test.scans.values() for image in scan):
        try:
            stat = (data / image.path).stat()
            states.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            states.append((0, 0))
    return str(data.resolve()), states


def read(data: pathlib.Path, slices: list[images.Image]) -> TestScan:
    """Read the slices of one scan; an unreadable slice takes its neighbour's pixels.

    A slice whose size is not that of most slices is cropped or padded to it.
    """
    pixels: dict[int, np.ndarray] = {}
    faults = []
    for index, image in enumerate(slices):
        try:
            pixels[index] = images.read(data / image.path, image.shape)
        except (ValueError, OSError) as error:
            faults.append(problems.Problem("unreadable slice", str(error), image.scan))
    shapes = [plane.shape for plane in pixels.values()]
    if not shapes:
        scan = slices[0].scan
        text = f"{scan}: no slice can be read; its masks stay empty."
        return unread(
            slices, [*faults, problems.Problem("unreadable scan", text, scan)]
        )
    common = max(shapes, key=shapes.count)
    volume = np.empty((len(slices), *common), np.uint16)
    sizes: list[tuple[int, int] | None] = []
    for index, image in enumerate(slices):
        _, nearest = min((abs(other - index), other) for other in pixels)
        geometry.place(pixels[nearest], volume[index])
        size = _size(data / image.path, image, is_read=nearest == index)
        if nearest == index and size != common:
            text = f"{data / image.path}: {size} pixels (H, W) in a scan of {common}."
            faults.append(problems.Problem("odd slice", text, image.scan))
        # An unreadable slice gets its neighbour's mask, which fits the common size.
        sizes.append(size if nearest == index or size == common else None)
    return TestScan(slices, volume, sizes, faults)


def _size(path: pathlib.Path, image: images.Image, *, is_read: bool) -> tuple[int, int]:
    """Return the (height, width) that the slice's mask must have."""
    try:
        return image.shape if is_read else images.shape(path)
    except (ValueError, OSError):
        return image.shape
