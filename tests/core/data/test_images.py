"""Slices: names, headers, pixels, and their faults."""

import contextlib
import os
import pathlib

import cv2
import numpy as np
import pytest

from competition.core.data import images, png


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), array)
    return path


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "train" / "case16" / "case16_day0" / "scans"
    random = np.random.default_rng(0)
    for number in (10, 2):
        name = f"slice_{number:04}_5_3_1.50_1.63.png"
        put(folder / name, random.integers(0, 9999, (3, 5), np.uint16))
    return tmp_path


def test_an_entry_whose_kind_cannot_be_told_costs_itself_alone(scan, monkeypatch):
    is_file = pathlib.Path.is_file

    def broken(entry):
        if entry.name.startswith("slice_0002"):
            raise OSError(5, "Input/output error")
        return is_file(entry)

    scandir = os.scandir

    @contextlib.contextmanager
    def entries(path):
        with scandir(path) as found:
            yield [Entry(entry, broken) for entry in found]

    monkeypatch.setattr(os, "scandir", entries)
    slices, faults = images.find_with_problems(scan, "train")
    assert [image.slice for image in slices] == [10]
    assert any("Input/output error" in fault.text for fault in faults)


class Entry:
    """An entry of a folder whose kind is asked of a function."""

    def __init__(self, entry, is_file):
        self.entry, self._is_file = entry, is_file

    def __getattr__(self, name):
        return getattr(self.entry, name)

    def __fspath__(self):
        return self.entry.path

    def is_file(self):
        return self._is_file(pathlib.Path(self.entry.path))


def test_slices_are_found_in_order_and_described_by_their_names(scan):
    first, second = images.find(scan, "train")
    assert (first.slice, second.slice) == (2, 10)
    assert first.id == "case16_day0_slice_0002"
    assert first.scan == images.scan_of(first.id) == "case16_day0"
    assert first.shape == (3, 5), "the name says width first"
    assert (first.spacing_x_mm, first.spacing_y_mm) == (1.5, 1.63)
    assert first.path.startswith("train/case16/")
    assert images.find(scan, "test") == []


def test_pixels_come_as_they_are(scan):
    path = scan / images.find(scan, "train")[1].path
    pixels = png.read(path, (3, 5))
    expected = np.random.default_rng(0).integers(0, 9999, (3, 5), np.uint16)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, expected)
    assert png.shape(path) == (3, 5)


def test_a_foreign_name_is_an_error(scan):
    path = next(scan.rglob("*.png"))
    path.rename(path.with_name("slice_one.png"))
    with pytest.raises(
        ValueError, match=r"slice_one\.png: a slice's name must look like"
    ):
        images.find(scan, "train")


@pytest.mark.parametrize("id", ["case1_day2", "case1_day2_slice_x", "a_slice_1", ""])
def test_a_wrong_id_is_an_error(id):
    with pytest.raises(ValueError, match=rf"case16_day0_slice_0001.*Received: '{id}'"):
        images.parse_id(id)


def test_links_in_a_circle_are_no_folders_and_cost_one_slice(competition):
    whole = images.find(competition, "test")
    path = competition / whole[0].path
    path.unlink()
    path.symlink_to(path.name)
    (competition / "test" / "circle").symlink_to("circle")
    assert images.find_with_problems(competition, "test") == (whole, [])
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        png.read(path, whole[0].shape)


def test_a_folder_that_cannot_be_read_costs_its_scan_alone(competition, monkeypatch):
    whole, scandir = images.find(competition, "test"), os.scandir
    bad = competition / pathlib.Path(whole[0].path).parent

    def fail(path):
        if pathlib.Path(path) == bad:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    found, faults = images.find_with_problems(competition, "test")
    assert found == [image for image in whole if image.scan != whole[0].scan]
    assert [fault.scan for fault in faults] == [whole[0].scan]
    assert "the folder cannot be read (Permission denied)" in faults[0].text


def test_a_pipe_is_a_problem(competition):
    image, *others = images.find(competition, "test")
    path = competition / image.path
    path.unlink()
    os.mkfifo(path)
    found, faults = images.find_with_problems(competition, "test")
    assert found == others
    assert "received a pipe, socket or device. Remove it." in faults[0].text


def test_a_slice_has_five_digits_at_most(tmp_path):
    name = "slice_999999999_3_2_1.50_1.50.png"
    folder = tmp_path / "train" / "case1" / "case1_day0" / "scans"
    put(folder / name, np.zeros((2, 3), np.uint16))
    found, faults = images.find_with_problems(tmp_path, "train")
    assert found == []
    assert "a slice's name must look like" in faults[0].text
    with pytest.raises(ValueError, match="An id must look like"):
        images.parse_id("case1_day0_slice_999999999")


@pytest.mark.parametrize("spacing", [(1.5, 1.63), (0.1049, 0.125), (0.005, 2.0)])
def test_a_written_scan_keeps_its_spacing(tmp_path, spacing):
    folder = tmp_path / "train" / "case1" / "case1_day0" / "scans"
    images.write_scan(folder, [np.ones((4, 5), np.uint16)], spacing)
    (image,) = images.find(tmp_path, "train")
    assert (image.spacing_x_mm, image.spacing_y_mm) == spacing
