"""Faults of NIfTI files that SimpleITK reads as zeros."""

import gzip
import struct

import numpy as np
import pytest

from competition.sources.convert import nifti, volumes

STORED = np.random.default_rng(0).integers(0, 999, (5, 4, 3))
GEOMETRY = volumes.VolumeGeometry(
    (3, 4, 5), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist())
)
FILES = pytest.mark.parametrize("file", ["a.nii", "a.nii.gz"])


@FILES
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_that_are_not_finite_are_counted(tmp_path, file, kind):
    array = STORED.astype(kind)
    array[0, 0] = np.nan, np.inf, -np.inf
    volumes.write(tmp_path / file, array, GEOMETRY)
    with pytest.raises(ValueError, match=r"a\.nii.*: expected finite .* in 3 voxels"):
        volumes.read(tmp_path / file)


@FILES
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_file_cut_off_is_refused(tmp_path, file, kind):
    volumes.write(tmp_path / file, STORED.astype(kind), GEOMETRY)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[:-30])
    with pytest.raises(ValueError, match=r"a\.nii.*: .*cut off.* Restore it"):
        volumes.read(tmp_path / file)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("bad", "message"), [(np.nan, "expected finite .* in 1 voxels"), (None, "cut off")]
)
def test_both_versions_and_byte_orders_are_read(tmp_path, order, version, bad, message):
    header = bytearray(544)
    dimensions = (3, 3, 1, 1, 1, 1, 1, 1)
    fields = [
        [(0, "i", 348), (40, "8h", *dimensions), (70, "2h", 16, 32), (108, "f", 544)],
        [(0, "i", 540), (16, "8q", *dimensions), (12, "2h", 16, 32), (168, "q", 544)],
    ]
    for place, form, *values in fields[version - 1]:
        struct.pack_into(order + form, header, place, *values)
    voxels = np.array([1, 2] if bad is None else [1, 2, bad], order + "f4")
    (tmp_path / "a.nii").write_bytes(bytes(header) + voxels.tobytes())
    with pytest.raises(ValueError, match=message):
        nifti.check(tmp_path / "a.nii")


@FILES
def test_a_file_of_another_kind_is_named(tmp_path, file):
    content = bytes(128) + b"DICM" + bytes(400)
    packed = gzip.compress(content) if file.endswith(".gz") else content
    (tmp_path / file).write_bytes(packed)
    with pytest.raises(ValueError, match=r"a\.nii.*: expected a NIfTI file, received"):
        nifti.check(tmp_path / file)


def test_a_sheared_file_is_told_what_to_do(tmp_path):
    volumes.write(tmp_path / "a.nii", STORED.astype(np.int16), GEOMETRY)
    content = bytearray((tmp_path / "a.nii").read_bytes())
    # No qform, and a sform whose second axis leans.
    struct.pack_into("<2h", content, 252, 0, 1)
    struct.pack_into("<f", content, 284, 1e-3)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"orthonormal .* Resample it, or set the qform"
    ):
        volumes.read(tmp_path / "a.nii")
    struct.pack_into("<h", content, 252, 1)
    (tmp_path / "a.nii").write_bytes(content)
    assert volumes.read(tmp_path / "a.nii")[1].direction == GEOMETRY.direction
