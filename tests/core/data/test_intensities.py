"""Scans as volumes, and the range of their intensities."""

import cv2
import numpy as np
import pytest

from competition.core.data import images, intensities, png


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "train" / "case16" / "case16_day0" / "scans"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in (1, 2, 3):
        pixels = random.integers(0, 9999, (3, 5), np.uint16)
        cv2.imwrite(str(folder / f"slice_{number:04}_5_3_1.50_1.63.png"), pixels)
    return tmp_path


def test_a_scan_is_its_slices_with_their_checksums(scan):
    found = images.find(scan, "train")
    volume, checksums, faults = intensities.read_scan(scan, found)
    assert volume.shape == (3, 3, 5) and volume.dtype == np.uint16
    for image, pixels in zip(found, volume, strict=True):
        np.testing.assert_array_equal(pixels, png.read(scan / image.path, (3, 5)))
    contents = [(scan / image.path).read_bytes() for image in found]
    assert checksums == [png.checksum(content) for content in contents]
    assert faults == []


def test_every_slice_that_cannot_be_read_is_a_problem(scan):
    found = images.find(scan, "train")
    (scan / found[0].path).write_bytes(b"no PNG")
    (scan / found[2].path).unlink()
    volume, checksums, faults = intensities.read_scan(scan, found)
    assert [fault.kind for fault in faults] == ["images"] * 2
    assert volume[1].any() and len(checksums) == 1


def test_sizes_that_differ_within_a_scan_are_a_problem(scan):
    folder = next(scan.rglob("*.png")).parent
    path = folder / "slice_0004_6_3_1.50_1.63.png"
    cv2.imwrite(str(path), np.zeros((3, 6), np.uint16))
    found = images.find(scan, "train")
    volume, _, (fault,) = intensities.read_scan(scan, found)
    assert volume.shape == (4, 3, 5)
    assert "6 x 3 pixels in a scan of 5 x 3" in fault.text
    assert fault.scan == "case16_day0"


def test_the_range_ignores_a_few_extremes_and_is_never_empty():
    image = np.full((100, 100), 50, np.uint16)
    image[0, :5], image[1, :5] = 0, 60000
    image[2:52] = 500
    flat = np.full((100, 100), 7, np.uint16)
    each, both = intensities.ranges(np.stack([image, flat]))
    assert each == [(50, 500), (7, 8)]
    assert both == (7, 500)
