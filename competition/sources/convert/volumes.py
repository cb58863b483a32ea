"""Find, read, compare and write volumes: NIfTI files and DICOM series."""

import dataclasses
import itertools
import pathlib
import re

import numpy as np
import SimpleITK as sitk

from competition.sources.convert import listing, nifti, series

_TOLERANCE_VOXELS = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeGeometry:
    """Where voxels lie, by stored index (i, j, k); millimetres left, back, up."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


def find(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the volumes of a folder by name: NIfTI files, folders of one series."""
    by_name = listing.by_name(
        folder,
        _name,
        "NIfTI files (.nii, .nii.gz) or folders with a DICOM series each",
    )
    channels = [re.fullmatch(r"(.+)_(\d{4})", name) for name in by_name]
    for other in channels:
        if other and other[2] != "0000" and f"{other[1]}_0000" in by_name:
            raise ValueError(
                f"{folder}: expected one channel a volume, received {other[1]}_0000 "
                f"and {other[0]}. Keep one channel in the folder, or rename volumes "
                "that are numbered so, such as to volume_001."
            )
    return by_name


def are_in(folder: pathlib.Path) -> bool:
    """Return whether a folder holds volumes."""
    return folder.is_dir() and any(map(_name, folder.iterdir()))


def _name(path: pathlib.Path) -> str | None:
    if path.is_dir():
        return path.name if series.ids(path) else None
    match = re.fullmatch(r"(.+)\.nii(\.gz)?", path.name)
    return match[1] if match else None


def read(path: pathlib.Path) -> tuple[np.ndarray, VolumeGeometry]:
    """Read a volume as a stored array (k, j, i) and its geometry."""
    try:
        image = series.read(path) if path.is_dir() else sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        sheared = "orthonormal direction" in reason
        mend = "Resample it, or set the qform." if sheared else "Restore or remove it."
        raise ValueError(
            f"{path}: not readable as a volume: {reason} {mend}"
        ) from error
    channels = image.GetNumberOfComponentsPerPixel()
    array = sitk.GetArrayFromImage(image)
    if image.GetDimension() != 3 or channels != 1 or array.dtype.kind not in "iuf":
        mend = (
            "Add a third axis of length 1."
            if image.GetDimension() == 2
            else "Only one channel is used: write that one as a file of its own."
        )
        raise ValueError(
            f"{path}: expected three dimensions and one real number a voxel, received "
            f"size {image.GetSize()}, {image.GetPixelIDTypeAsString()}, {channels} "
            f"channels. {mend}"
        )
    if not path.is_dir():
        nifti.check(path)
    return array, _geometry(image)


def read_header(path: pathlib.Path) -> VolumeGeometry | None:
    """Return the geometry of a volume or image as its header has it.

    Of a series only the size and the direction are known. The result is None where no
    header can be read.
    """
    names = series.names(path) if path.is_dir() else [str(path)]
    reader = sitk.ImageFileReader()
    try:
        reader.SetFileName(names[0])
        with series.quiet():
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    geometry = _geometry(reader)
    if len(names) == 1:
        return geometry
    size = (*geometry.size[:2], len(names))
    return dataclasses.replace(geometry, size=size)


def _geometry(image: sitk.Image | sitk.ImageFileReader) -> VolumeGeometry:
    return VolumeGeometry(
        image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    )


def check_same(
    image: tuple[pathlib.Path, VolumeGeometry],
    label: tuple[pathlib.Path, VolumeGeometry],
) -> None:
    """Refuse a label volume whose voxels lie elsewhere than its image's."""
    (path, one), (label_path, other) = image, label
    corners = np.array(list(itertools.product(*((0, n - 1) for n in one.size))))
    apart = np.linalg.norm(
        _positions(one, corners) - _positions(other, corners), axis=1
    )
    if one.size == other.size and apart.max() <= _TOLERANCE_VOXELS * min(one.spacing):
        return
    differing = [
        f"{field.name} {_short(getattr(one, field.name))} and "
        f"{_short(getattr(other, field.name))}"
        for field in dataclasses.fields(VolumeGeometry)
        if getattr(one, field.name) != getattr(other, field.name)
    ]
    raise ValueError(
        f"{path} and its label volume {label_path} must have one geometry. Received: "
        f"{'; '.join(differing)}. Resample the labels to the image."
    )


def _positions(geometry: VolumeGeometry, indices: np.ndarray) -> np.ndarray:
    """Return the places in mm (n, 3) of voxels by index (n, 3)."""
    matrix = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    return indices @ matrix.T + geometry.origin


def _short(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{number:.6g}" for number in numbers) + ")"


def write(path: pathlib.Path, array: np.ndarray, geometry: VolumeGeometry) -> None:
    """Write a stored array (k, j, i) at `path`, whose suffix is the format."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise OSError(f"{path} could not be written: {reason}") from error
