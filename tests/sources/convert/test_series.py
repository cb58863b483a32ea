"""Reading DICOM series of a few voxels."""

import dataclasses

import numpy as np
import pytest

from competition.sources.convert import series, volumes
from tests.sources import by_slices
from tests.sources.convert import test_volumes

STORED, GEOMETRY = test_volumes.STORED, test_volumes.GEOMETRY


def test_a_dicom_series_is_read_in_the_order_of_its_places(tmp_path):
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY)
    array, geometry = volumes.read(tmp_path / "a")
    np.testing.assert_array_equal(array, STORED)
    assert test_volumes.near(geometry, GEOMETRY)


def test_a_series_of_one_file_is_a_volume(tmp_path):
    by_slices.write_series(tmp_path / "a", STORED[:1], GEOMETRY)
    assert volumes.read(tmp_path / "a")[0].shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((0, 1, 3, 4, 5), r"a gap of 5 mm between .*4\.dcm and .*3\.dcm, .* 2\.5 mm"),
        ((0, 1, 2, 3, 6), r"a gap of 7\.5 mm .* Restore the missing slices \(2\)"),
        ((0, 1, 1, 2, 3), r"two slices at one place, .*4\.dcm and .*3\.dcm"),
        ((0, 1, 2, 0, 1), r"two slices at one place, .*5\.dcm and .*2\.dcm"),
        ((0, 0, 0, 0, 0), "two slices at one place"),
        ((0, 1, 2.4, 3, 4), r"distances from 1\.5 to 3\.5 mm, .* slice 1 mm from its"),
        ((0, 1, 2, 3.1, 4.2), r"distances from 2\.5 to 2\.75 mm"),
    ],
)
def test_slices_at_other_than_equal_distances_are_named(tmp_path, at, message):
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, at=at)
    with pytest.raises(ValueError, match=rf"a: expected .*, received {message}"):
        volumes.read(tmp_path / "a")


@pytest.mark.parametrize("spacing", [0.625, 10 / 3, 7.3])
def test_positions_may_be_rounded(tmp_path, spacing):
    lies = dataclasses.replace(GEOMETRY, spacing=(0.75, 1.5, spacing))
    at = [round(k * spacing, 2) / spacing for k in range(5)]
    by_slices.write_series(tmp_path / "a", STORED, lies, at=at)
    array, geometry = volumes.read(tmp_path / "a")
    np.testing.assert_array_equal(array, STORED)
    assert geometry.spacing[2] == pytest.approx(spacing, abs=0.01)


def test_two_series_in_a_folder_are_told_apart(tmp_path):
    for uid in ("1.2.3.4", "1.2.3.5"):
        by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, uid=uid)
    with pytest.raises(ValueError, match=r"one DICOM series, received 2: 1\.2\.3\.4"):
        volumes.read(tmp_path / "a")


POSITION, ORIENTATION, SPACING = "0020|0032", "0020|0037", "0028|0030"


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ([POSITION], r"without ImagePositionPatient \(0020\|0032\)\. Restore"),
        ([ORIENTATION], r"without ImageOrientationPatient \(0020\|0037\)\. Restore"),
        ([SPACING], r"without PixelSpacing \(0028\|0030\)\. Restore"),
        ([POSITION, "0020|0013", SPACING], r"ImagePosition.*\), PixelSpacing \("),
    ],
    ids=["position", "orientation", "spacing", "several"],
)
def test_slices_that_do_not_say_where_they_lie_are_refused(tmp_path, lost, message):
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, lost=lost)
    with pytest.raises(ValueError, match=rf"a/1\.2\.3\.4-00\d\.dcm: .*{message}"):
        volumes.read(tmp_path / "a")


def test_one_slice_without_the_size_of_its_pixels_is_warned_of(tmp_path, capsys):
    by_slices.write_series(tmp_path / "a", STORED[:1], GEOMETRY, lost=[SPACING])
    assert volumes.read(tmp_path / "a")[1].spacing[:2] == (1, 1)
    said = capsys.readouterr().err.replace("\n", " ")
    assert "no PixelSpacing (0028|0030), so its pixels count as 1 mm" in said


def test_distances_that_drift_are_not_called_a_shift_aside(tmp_path):
    at = [*range(100), *(99 + 1.05 * k for k in range(1, 101))]
    normal = np.array([0.0, 0.0, 1.0])
    places = np.outer(at, normal)
    names = [f"{number}.dcm" for number in range(len(at))]
    assert "distances from 1 to 1.05 mm" in series._fault(names, places, normal)
    places = np.outer(np.arange(20.0), normal)
    places[7] += (0.4, 0, 0)
    assert "shifted sideways, up to 0.4 mm" in series._fault(names, places, normal)
    places = np.outer(np.arange(20.0), normal)
    places[10:] += (5, 0, 0)
    assert "shifted sideways" in series._fault(names, places, normal)


def test_a_tilted_gantry_is_refused(tmp_path):
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, aside=0.5)
    with pytest.raises(ValueError, match=r"tilted gantry: the last lies 2 mm aside"):
        volumes.read(tmp_path / "a")


def test_a_direction_that_is_rounded_is_no_tilt():
    tilt = np.deg2rad(20)
    normal = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    rounded = np.round(normal, 3)
    rounded /= np.linalg.norm(rounded)
    names = [f"{number}.dcm" for number in range(300)]
    assert series._fault(names, np.outer(np.arange(300.0), normal), rounded) is None


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        ("0020|0037", r"0\1\0\-1\0\0", r"expected ImageOrientationPatient"),
        ("0028|0030", r"0.7\0.7", r"expected PixelSpacing \(0028\|0030\) as in"),
    ],
)
def test_slices_of_another_plane_or_size_are_refused(tmp_path, tag, value, message):
    tags = [{}] * 4 + [{tag: value}]
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, tags=tags)
    with pytest.raises(ValueError, match=rf"1\.2\.3\.4-\d+\.dcm: {message}"):
        volumes.read(tmp_path / "a")


@pytest.mark.parametrize(
    ("tag", "text"),
    [("0028|0030", "0.7"), ("0028|0030", r"0.7\x"), ("0020|0032", r"1\2\nan")],
)
def test_numbers_that_cannot_be_read_are_named(tmp_path, tag, text):
    tags = [{}] * 4 + [{tag: text}]
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, tags=tags)
    with pytest.raises(ValueError, match=r"\.dcm: expected \d numbers in .* Restore"):
        volumes.read(tmp_path / "a")


def test_each_slice_has_a_slope_of_its_own(tmp_path):
    """A PET scanner scales every slice so that 16 bits are enough."""
    slopes = (1, 40.5, 0.25, 2, 3)
    tags = [{"0028|1052": "0", "0028|1053": str(slope)} for slope in slopes]
    stored = np.full_like(STORED, 1000, np.int16)
    by_slices.write_series(tmp_path / "a", stored, GEOMETRY, tags=tags)
    array, _ = volumes.read(tmp_path / "a")
    assert array[:, 0, 0].tolist() == [1000 * slope for slope in slopes]
