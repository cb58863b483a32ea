"""Find and read DICOM series: folders with the slices of one volume."""

import contextlib
import math
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import SimpleITK as sitk

from competition.core import console

_POSITION = "0020|0032"
_ORIENTATION = "0020|0037"
_SPACING = "0028|0030"
_RESCALE = ("0028|1052", "0028|1053")
# Without these tags SimpleITK puts slices at the origin, 1 mm apart, ordered by name.
_PLACE = {
    _POSITION: "ImagePositionPatient",
    _ORIENTATION: "ImageOrientationPatient",
    _SPACING: "PixelSpacing",
}
# Positions are rounded, often to 0.01 mm.
_TOLERANCE_SLICES = 0.05
# Directions are rounded too, so that a straight series seems to lean by this much.
_TOLERANCE_LEANING = 0.005


def ids(folder: pathlib.Path) -> tuple[str, ...]:
    """Return the ids of the series in a folder."""
    with quiet():
        return tuple(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))


def names(folder: pathlib.Path) -> tuple[str, ...]:
    """Return the files of the first series in a folder, in their order."""
    with quiet():
        return tuple(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def read(folder: pathlib.Path) -> sitk.Image:
    """Read the one series of a folder, whose slices must say where they lie."""
    found = ids(folder)
    if len(found) != 1:
        raise ValueError(
            f"{folder}: expected one DICOM series, received {len(found)}: "
            f"{', '.join(found)}. Give each a folder of its own."
        )
    reader = sitk.ImageSeriesReader()
    reader.MetaDataDictionaryArrayUpdateOn()
    paths = names(folder)
    # A series of one file holds all slices in it.
    if len(paths) == 1:
        return _read_one(paths[0])
    reader.SetFileNames(paths)
    with quiet():
        image = reader.Execute()
    for index, name in enumerate(paths):
        if missing := [tag for tag in _PLACE if not _has(reader, index, tag)]:
            tags = ", ".join(f"{_PLACE[tag]} ({tag})" for tag in missing)
            raise ValueError(
                f"{name}: expected slices that say where they lie, received one "
                f"without {tags}. Restore the tags, or save the volume as NIfTI with "
                "its true order and spacing."
            )
    for tag in (_ORIENTATION, _SPACING):
        _check_equal(reader, paths, tag)
    normal = np.reshape(image.GetDirection(), (3, 3))[:, 2]
    if fault := _fault(paths, _numbers(reader, paths, _POSITION), normal):
        raise ValueError(
            f"{folder}: expected slices at equal distances, received {fault}"
        )
    if any(_differs(reader, paths, tag) for tag in _RESCALE):
        # SimpleITK would round all slices to what the first one needs.
        reader.SetOutputPixelType(sitk.sitkFloat32)
        with quiet():
            return reader.Execute()
    return image


def _numbers(
    reader: sitk.ImageSeriesReader, paths: Sequence[str], tag: str
) -> np.ndarray:
    """Return the numbers of a tag (N, n) in the slices that were read."""
    found: list[list[float]] = []
    for index, name in enumerate(paths):
        text = reader.GetMetaData(index, tag)
        try:
            numbers = [float(part) for part in text.split("\\")]
        except ValueError:
            numbers = [math.nan]
        count = len(found[0]) if found else len(numbers)
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise ValueError(
                f"{name}: expected {count} numbers in {_PLACE[tag]} ({tag}), received "
                f"{text!r}. Restore the tag."
            )
        found.append(numbers)
    return np.array(found)


def _check_equal(
    reader: sitk.ImageSeriesReader, paths: Sequence[str], tag: str
) -> None:
    """Refuse slices whose numbers in a tag are not those of the first slice."""
    numbers = _numbers(reader, paths, tag)
    far = np.abs(numbers - numbers[0]).max(axis=1) > 1e-3 * np.abs(numbers[0]).max()
    if far.any():
        other = int(far.argmax())
        raise ValueError(
            f"{paths[other]}: expected {_PLACE[tag]} ({tag}) as in "
            f"{pathlib.Path(paths[0]).name}, {numbers[0].tolist()}, received "
            f"{numbers[other].tolist()}. Give the slices of each plane and pixel size "
            "a folder of their own."
        )


def _differs(reader: sitk.ImageSeriesReader, paths: Sequence[str], tag: str) -> bool:
    """Return whether slices that were read have different values of a tag."""
    values = {
        reader.GetMetaData(k, tag).strip() if _has(reader, k, tag) else ""
        for k in range(len(paths))
    }
    return len(values) > 1


def _read_one(name: str) -> sitk.Image:
    """Read a file that holds all slices; warn if it does not say how large pixels are.

    A file with several slices may say this elsewhere than in the tag.
    """
    image = sitk.ReadImage(name)
    known = image.HasMetaDataKey(_SPACING) or image.GetSpacing()[:2] != (1.0, 1.0)
    if not known and image.GetSize()[2:] == (1,):
        console.warn(
            f"{name}: there is no {_PLACE[_SPACING]} ({_SPACING}), so its pixels count "
            "as 1 mm."
        )
    return image


def _fault(names: Sequence[str], places: np.ndarray, normal: np.ndarray) -> str | None:
    """Return what is wrong with the places of slices, and how to mend it.

    Slices lie at `places` (N, 3) in mm, across `normal`. The result is None where their
    distances are equal and they lie straight above each other.
    """
    order = np.argsort(places @ normal, kind="stable")
    places, names = places[order], [pathlib.Path(names[k]).name for k in order]
    steps = np.diff(places @ normal)
    usual, near, far = np.median(steps), steps.argmin(), steps.argmax()
    tolerance = _TOLERANCE_SLICES * usual
    if steps[near] <= tolerance:
        return (
            f"two slices at one place, {names[near]} and {names[near + 1]}. Give each "
            "echo, time or copy a folder of its own."
        )
    equal = np.linspace(places[0], places[-1], len(places))
    off = np.linalg.norm(places - equal, axis=1).max()
    if off <= tolerance:
        return _tilt(places[-1] - places[0], normal, tolerance)
    missing = np.round(steps / usual) - 1
    if missing.any() and np.abs(steps - usual * (missing + 1)).max() <= tolerance:
        return (
            f"a gap of {steps[far]:.5g} mm between {names[far]} and {names[far + 1]}, "
            f"where others are {usual:.5g} mm apart. Restore the missing slices "
            f"({missing.sum():.0f})."
        )
    shifts = places - equal
    shifts -= np.outer(shifts @ normal, normal)
    if (most := np.linalg.norm(shifts, axis=1).max()) > tolerance:
        return (
            f"slices that are shifted sideways, up to {most:.3g} mm. Resample the "
            "volume, and save it as NIfTI."
        )
    return (
        f"distances from {steps[near]:.5g} to {steps[far]:.5g} mm, which put a slice "
        f"{off:.3g} mm from its place. Resample the volume to equal distances, and "
        "save it as NIfTI."
    )


def _tilt(way: np.ndarray, normal: np.ndarray, tolerance: float) -> str | None:
    """Say how far `way`, in mm, leads aside from `normal`; None if it is straight."""
    length = way @ normal
    aside = np.linalg.norm(way - length * normal)
    if aside <= max(tolerance, _TOLERANCE_LEANING * length):
        return None
    return (
        f"slices of a tilted gantry: the last lies {aside:.3g} mm aside. Resample the "
        "volume, and save it as NIfTI."
    )


def _has(reader: sitk.ImageSeriesReader, index: int, tag: str) -> bool:
    """Return whether a slice that was read has a tag with a value."""
    has = reader.HasMetaDataKey(index, tag)
    return bool(has and reader.GetMetaData(index, tag).strip())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of ITK, whose causes are checked here."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
