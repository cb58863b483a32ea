"""Read a test folder in any state: the rows to write, and the slices that can be read.

No fault raises an error: a slice that cannot be read loses its own mask at most.
"""

import dataclasses
import errno
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np

from competition.core import geometry, problems
from competition.core.data import body, images, mask_csv, png

RowKey = tuple[str, str]
Faults = list[problems.Problem]
State = tuple[str, list[tuple[str, int, int]]]


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
    stays empty. `grid` is that of the volume. `is_read` is False if reading failed for
    another reason than its files, so that the next call may read it.
    """

    images: list[images.Image]
    volume: np.ndarray | None = None
    sizes: Sequence[tuple[int, int] | None] = ()
    grid: geometry.Grid | None = None
    is_read: bool = True

    @property
    def name(self) -> str:
        """The name of the scan, such as case16_day0."""
        return self.images[0].scan


def find(data: pathlib.Path, classes: tuple[str, ...]) -> TestFolder:
    """List the rows of the sample submission and the scans of the test folder.

    If there is no sample, or an empty one although there are images, every slice gets a
    row for each class.
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
    # A scan stays whole, since its slices are each other's neighbours.
    asked = {image.scan for image in slices if image.id in ids}
    scans = {
        scan: list(of_scan)
        for scan, of_scan in itertools.groupby(slices, lambda image: image.scan)
        if scan in asked
    }
    return TestFolder(rows, scans, faults)


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
    unknown = sorted({name for _, name in rows} - set(classes))
    texts = [
        ("unknown class", f"no network knows the class {name!r}; its rows stay empty.")
        for name in unknown
    ]
    if ids := row_ids - slice_ids:
        text = f"{len(ids)} ids of the sample have no image; they stay empty."
        texts.append(("id without image", f"{text} The first: {min(ids)}."))
    if ids := slice_ids - row_ids:
        text = f"{len(ids)} test slices have no row in the sample; they are ignored."
        texts.append(("image without id", f"{text} The first: {min(ids)}."))
    return [problems.Problem(kind, text) for kind, text in texts]


def state(data: pathlib.Path, test: TestFolder) -> State:
    """Return the folder, and each slice's path, size and time; 0 without a file."""
    states = []
    for image in (image for scan in test.scans.values() for image in scan):
        try:
            stat = (data / image.path).stat()
            states.append((image.path, stat.st_size, stat.st_mtime_ns))
        except OSError:
            states.append((image.path, 0, 0))
    return str(data.resolve()), states


def read(data: pathlib.Path, slices: list[images.Image]) -> tuple[TestScan, Faults]:
    """Read the slices of one scan; an unreadable slice takes its neighbour's pixels.

    A slice that has another size than most is cropped or padded to theirs.
    """
    pixels: dict[int, np.ndarray] = {}
    faults: Faults = []
    try:
        images.check_scan(data, slices)
    except ValueError as error:
        text = f"{error} Its masks stay empty."
        return TestScan(slices), [problems.Problem("large scan", text)]
    for index, image in enumerate(slices):
        try:
            pixels[index] = png.read(data / image.path, image.shape)
        except ValueError as error:
            faults.append(problems.Problem("damaged slice", str(error)))
        except OSError as error:
            # A missing file or a broken link stays so until somebody mends it.
            is_lasting = error.errno in (errno.ENOENT, errno.ELOOP)
            kind = "damaged slice" if is_lasting else "unreadable slice"
            faults.append(problems.Problem(kind, str(error)))
    shapes = [plane.shape for plane in pixels.values()]
    if not shapes:
        text = f"{slices[0].scan}: no slice can be read; its masks stay empty."
        return TestScan(slices), [*faults, problems.Problem("empty scan", text)]
    common = max(shapes, key=shapes.count)
    volume = np.empty((len(slices), *common), np.uint16)
    readable = list(pixels)
    for index in readable:
        # Each slice is freed once it is placed, so that the scan is never held twice.
        geometry.place(pixels.pop(index), volume[index])
    sizes: list[tuple[int, int] | None] = []
    for index, image in enumerate(slices):
        nearest = min(readable, key=lambda other: (abs(other - index), other))
        if nearest == index:
            sizes.append(image.shape)
            if image.shape != common:
                path, size = data / image.path, image.shape
                text = f"{path}: {size} pixels (H, W) in a scan of {common}."
                faults.append(problems.Problem("odd slice", text))
        else:
            volume[index] = volume[nearest]
            # It gets its neighbour's mask, which fits only the common size.
            size = _size(data / image.path, image)
            sizes.append(size if size == common else None)
    height, width = common
    spacing = slices[0].spacing_y_mm, slices[0].spacing_x_mm
    grid = geometry.Grid((height, width), spacing, body.box(volume))
    return TestScan(slices, volume, sizes, grid), faults


def _size(path: pathlib.Path, image: images.Image) -> tuple[int, int]:
    """Return the (height, width) in the header, or else in the name, of a slice."""
    try:
        return png.shape(path)
    except (ValueError, OSError):
        return image.shape
