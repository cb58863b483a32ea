"""Finding, reading and comparing volumes, on files of a few voxels."""

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from competition.sources.convert import volumes
from tests.sources import by_slices

STORED = np.arange(60, dtype=np.uint16).reshape(5, 4, 3)
C, S = np.cos(0.3), np.sin(0.3)
GEOMETRY = volumes.VolumeGeometry(
    size=(3, 4, 5),
    spacing=(0.75, 1.5, 2.5),
    origin=(3.0, -4.0, 5.5),
    direction=(C, -S, 0.0, S, C, 0.0, 0.0, 0.0, 1.0),
)


def near(one, other):
    for field in dataclasses.fields(volumes.VolumeGeometry):
        values = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_allclose(*values, atol=1e-5)
    return True


@pytest.mark.parametrize("file", ["a.nii", "a.nii.gz"])
def test_a_volume_is_read_as_it_was_written(tmp_path, file):
    volumes.write(tmp_path / file, STORED, GEOMETRY)
    array, geometry = volumes.read(tmp_path / file)
    np.testing.assert_array_equal(array, STORED)
    assert near(geometry, GEOMETRY)


def test_files_and_series_are_found_and_the_rest_left_out(tmp_path, capfd):
    for name in ("b.nii.gz", "a.nii", "._b.nii.gz"):
        volumes.write(tmp_path / name.lstrip("."), STORED, GEOMETRY)
    by_slices.write_series(tmp_path / "c", STORED, GEOMETRY)
    (tmp_path / "._a.nii").write_bytes(b"\0")
    (tmp_path / "_b.nii.gz").unlink()
    (tmp_path / "notes").mkdir()
    found = volumes.find(tmp_path)
    assert [path.name for path in found.values()] == ["a.nii", "b.nii.gz", "c"]
    assert list(found) == ["a", "b", "c"]
    said = capfd.readouterr().err.replace("\n", "")
    assert said == f"warning: {tmp_path}/notes is left out: expected NIfTI files " \
        "(.nii, .nii.gz) or folders with a DICOM series each."  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "expected NIfTI files .* received none"),
        (["a.nii", "a.nii.gz"], r"a\.nii\.gz and a\.nii have one name"),
        (["a_0000.nii", "a_0001.nii"], "one channel a volume, received a_0000 and"),
    ],
)
def test_folders_that_cannot_be_meant(tmp_path, files, message):
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(ValueError, match=message):
        volumes.find(tmp_path)
    with pytest.raises(ValueError, match=r"no: no such folder"):
        volumes.find(tmp_path / "no")


@pytest.mark.parametrize(
    ("array", "vector", "mend"),
    [(np.zeros((2, 3, 4, 5)), False, "Only one channel is used"),
     (np.zeros((3, 4, 5, 2)), True, "Only one channel is used"),
     (np.zeros((3, 4, 5), np.complex64), False, "one real number a voxel"),
     (np.zeros((4, 5)), False, "Add a third axis of length 1")],
    ids=["4D", "vectors", "complex", "2D"],
)  # fmt: skip
def test_only_three_dimensions_of_real_numbers_are_a_volume(
    tmp_path, array, vector, mend
):
    image = sitk.GetImageFromArray(array, isVector=vector)
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    with pytest.raises(
        ValueError, match=rf"a\.nii: expected three dimensions and .*{mend}"
    ):
        volumes.read(tmp_path / "a.nii")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"a\.nii\.gz: not readable as a volume: "):
        volumes.read(tmp_path / "a.nii.gz")


def test_a_volume_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"a\.nii could not be written: "):
        volumes.write(tmp_path / "no" / "a.nii", STORED, GEOMETRY)


def test_labels_may_lie_a_rounding_error_away(tmp_path):
    label = dataclasses.replace(GEOMETRY, origin=(3.0, -4.0, 5.50001))
    volumes.check_same((tmp_path, GEOMETRY), (tmp_path, label))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (3, 4, 6)}, r"size \(3, 4, 5\) and \(3, 4, 6\)\. Resample"),
        ({"spacing": (0.75, 1.5, 2.6)}, r"spacing \(0\.75, 1\.5, 2\.5\) and"),
        ({"origin": (4.0, -4.0, 5.5)}, r"origin \(3, -4, 5\.5\) and \(4, -4, 5\.5\)"),
        ({"direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}, "direction .* and "),
    ],
    ids=["size", "spacing", "origin", "direction"],
)
def test_labels_elsewhere_than_their_image_are_refused(tmp_path, change, message):
    label = dataclasses.replace(GEOMETRY, **change)
    with pytest.raises(ValueError, match=f"a and its label volume .*b must.*{message}"):
        volumes.check_same((tmp_path / "a", GEOMETRY), (tmp_path / "b", label))
