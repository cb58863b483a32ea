"""Reading DICOM series of a few voxels."""

import numpy as np
import pytest

from competition.sources.convert import volumes
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


def test_a_missing_slice_of_a_series_is_noticed(tmp_path):
    by_slices.write_series(tmp_path / "a", STORED, GEOMETRY, skip=[2])
    with pytest.raises(ValueError, match=r"a: expected slices at equal .* 4 slices"):
        volumes.read(tmp_path / "a")


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
