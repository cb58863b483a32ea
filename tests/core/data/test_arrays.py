"""Arrays on disk."""

import gc
import os
import resource
import weakref

import numpy as np
import pytest

from competition.core import files
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout


@pytest.mark.parametrize("size", [0, 100, 200])
def test_a_cut_off_array_is_named_and_so_is_the_way_out(tmp_path, size):
    path = tmp_path / "case1_day0.npy"
    arrays.write(path, np.ones((2, 10, 10), np.uint16))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"day0\.npy is damaged .* with `verify`\."):
        arrays.load(path)


@pytest.mark.parametrize(("old", "new"), [(b"(", b"\t"), (b"}", b"("), (b"'", b'"')])
def test_a_header_that_is_no_python_is_damage(tmp_path, old, new):
    path = tmp_path / "case1_day0.npy"
    arrays.write(path, np.ones((2, 10, 10), np.uint16))
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(ValueError, match=r"day0\.npy is damaged"):
        arrays.load(path)


def test_planes_come_back_with_their_checksum_empty_ones_too(tmp_path):
    array = np.zeros((4, 3, 5), np.uint16)
    array[1], array[2, 0, 0] = 7, 1
    path = tmp_path / "case1_day0.npy"
    checksum = arrays.write(path, array)
    np.testing.assert_array_equal(arrays.load(path), array)
    assert arrays.checksum(arrays.load(path)) == checksum


@pytest.mark.parametrize("array", [np.zeros((2, 3, 3)), np.zeros((2, 3), np.uint16)])
def test_an_array_of_another_kind_is_named(tmp_path, array):
    np.save(tmp_path / "case1_day0.npy", array)
    with pytest.raises(ValueError, match=r"day0\.npy: expected an array \(D, H, W\)"):
        arrays.load(tmp_path / "case1_day0.npy")


def test_an_array_that_has_changed_since_it_was_prepared_is_an_error(tmp_path):
    dataset, array = layout.DatasetFiles(tmp_path), np.ones((2, 4, 4), np.uint16)
    checksums = [
        arrays.write(dataset.scan("case1_day0"), array),
        arrays.write(dataset.masks("case1_day0"), array),
    ]
    files.write_sealed(dataset.record("case1_day0"), {"arrays": checksums})
    np.testing.assert_array_equal(arrays.Arrays(dataset).scan("case1_day0"), array)
    data = bytearray(dataset.masks("case1_day0").read_bytes())
    data[-1] ^= 1
    dataset.masks("case1_day0").write_bytes(data)
    with pytest.raises(ValueError, match=r"masks/case1_day0\.npy has changed since"):
        arrays.Arrays(dataset).masks("case1_day0")


@pytest.mark.parametrize("about", [{}, [], {"arrays": [1]}, {"arrays": "12"}])
def test_a_record_of_another_form_is_named(tmp_path, about):
    dataset, array = layout.DatasetFiles(tmp_path), np.ones((2, 4, 4), np.uint16)
    arrays.write(dataset.scan("case1_day0"), array)
    files.write_json(dataset.record("case1_day0"), about)
    with pytest.raises(ValueError, match=r"scans/case1_day0\.json: .*with `verify`\."):
        arrays.Arrays(dataset).scan("case1_day0")


def test_few_files_stay_open_and_each_is_checked_once(finished, monkeypatch):
    job, _ = finished
    names = slice_table.scans(slice_table.read(job.dataset))
    checked, checksum = [], arrays.checksum
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (4, 4))
    monkeypatch.setattr(
        arrays, "checksum", lambda array: checked.append(1) or checksum(array)
    )
    before = len(os.listdir("/proc/self/fd"))
    store = arrays.Arrays(job.dataset)
    for _ in range(3):
        for name in names:
            np.testing.assert_array_equal(
                store.scan(name), np.load(job.dataset.scan(name))
            )
    assert len(names) > 3 and len(checked) == len(names)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_low_limit_of_open_files_is_raised(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: asked.append(both))
    arrays.Arrays(layout.DatasetFiles(tmp_path))
    assert asked == [(4096, 4096)]


def test_what_is_open_closes_with_the_object(tmp_path):
    store = arrays.Arrays(layout.DatasetFiles(tmp_path))
    gone = weakref.ref(store)
    gc.disable()
    del store
    gc.enable()
    assert gone() is None
