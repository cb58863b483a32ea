"""Find out which images are slices of which scan, and which masks they have."""

import dataclasses
import pathlib

from competition.sources.convert import pairs, pictures, scan_table

Masks = dict[str | None, pathlib.Path]


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """An image and its masks by folder: one for each class, or one under None.

    An image of the test has no masks.
    """

    image: pathlib.Path
    masks: Masks


@dataclasses.dataclass(frozen=True, slots=True)
class PictureScan:
    """The slices of a scan in their order; `part` is "train" or "test"."""

    scan: str
    part: str
    slices: list[Slice]


def class_folders(labels: pathlib.Path) -> list[str | None]:
    """Return the classes whose masks have a folder each; [None] if there are none."""
    inside = sorted(labels.iterdir()) if labels.is_dir() else []
    inside = [path for path in inside if not path.name.startswith(".")]
    if any(map(pictures.name, inside)):
        return [None]
    return [path.name for path in inside if path.is_dir()] or [None]


def find(folders: pairs.Folders, table: pathlib.Path | None) -> list[PictureScan]:
    """Return the scans: an image is a case of one slice, unless a `table` says more."""
    by_folder: dict[str | None, list[pairs.Pair]] = {}
    for name in class_folders(folders.labels):
        own = dataclasses.replace(folders, labels=folders.labels / (name or ""))
        by_folder[name] = pairs.find(own, pictures.find)
    images = next(iter(by_folder.values()))
    slices = [Slice(pair.image, {}) for pair in images]
    by_image = {slice.image: slice for slice in slices}
    for name, found in by_folder.items():
        for pair in found:
            if pair.label:
                by_image[pair.image].masks[name] = pair.label
    if table is None:
        return [
            PictureScan(pair.scan, pair.part, [slice])
            for pair, slice in zip(images, slices, strict=True)
        ]
    return _by_table(table, slices)


def _by_table(table: pathlib.Path, slices: list[Slice]) -> list[PictureScan]:
    """Return the scans that a table makes of slices."""
    names = [slice.image.name for slice in slices]
    places = scan_table.read(table, names, scan_table.OF_SLICES)
    by_scan: dict[tuple[int, int], list[Slice]] = {}
    for slice in sorted(slices, key=lambda slice: places[slice.image.name]):
        by_scan.setdefault(places[slice.image.name][:2], []).append(slice)
    scans = []
    for (case, day), own in by_scan.items():
        parts = {"train" if slice.masks else "test" for slice in own}
        if len(parts) > 1:
            raise ValueError(
                f"{table}: expected all slices of case {case}, day {day} in the "
                "training or all in the test, received both. Give those of the test "
                "another case."
            )
        scans.append(PictureScan(f"case{case}_day{day}", parts.pop(), own))
    return scans
