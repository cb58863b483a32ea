"""Volumes as text: what is read back, and how large it is."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from competition.core.pages.viewer import pack

BYTES = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=6))


def read(text, kind, shape):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind).reshape(shape)


def undo(changes):
    """Do what volume.js does, a voxel at a time."""
    values = np.zeros_like(changes)
    for z, y, x in np.ndindex(changes.shape):
        left = int(values[z, y, x - 1]) if x else 0
        up = int(values[z, y - 1, x]) if y else 0
        corner = int(values[z, y - 1, x - 1]) if x and y else 0
        guess = sorted((left, up, left + up - corner))[1]
        values[z, y, x] = (int(changes[z, y, x]) + guess) % 256
    return values


@given(BYTES)
def test_differences_tell_the_values(values):
    np.testing.assert_array_equal(undo(pack.differences(values)), values)


@given(BYTES, st.booleans())
def test_a_volume_is_read_back(values, wide):
    volume = values.astype(np.uint16) * 257 if wide else values
    text = pack.volume(volume)
    np.testing.assert_array_equal(read(text, volume.dtype, volume.shape), volume)


def test_a_scan_of_few_values_keeps_them_all():
    scan = np.arange(60, dtype=np.uint16).reshape(3, 4, 5) + 1000
    packed = pack.image(scan, most=1e6)
    values = undo(read(packed["data"], np.uint8, scan.shape))
    assert (packed["low"], packed["high"], packed["levels"]) == (1000, 1059, 60)
    np.testing.assert_array_equal(values + np.uint16(1000), scan)


def test_a_scan_of_one_value_is_dark():
    packed = pack.image(np.full((2, 3, 4), 7, np.uint16), most=1e6)
    assert (packed["low"], packed["high"]) == (7, 8)
    assert not undo(read(packed["data"], np.uint8, (2, 3, 4))).any()


def test_values_above_the_last_level_are_told():
    scan = np.arange(6000, dtype=np.uint16).reshape(3, 40, 50) // 30
    assert not pack.image(scan, most=1e6)["beyond"]
    scan[0, 0, 0] = 255
    packed = pack.image(scan, most=1e6)
    assert packed["high"] == 199 and packed["beyond"]


def test_the_window_leaves_out_one_voxel_in_200_at_each_end():
    scan = np.arange(2000, dtype=np.uint16).reshape(2, 20, 50)
    packed = pack.image(scan, most=1e6)
    step = (packed["high"] - packed["low"]) / (packed["levels"] - 1)
    low, high = (packed["low"] + end * step for end in packed["window"])
    assert (low, high) == pytest.approx((10, 1989), abs=1)


def test_a_large_scan_keeps_fewer_levels_and_fits():
    scan = np.random.default_rng(0).integers(0, 4000, (8, 64, 64), dtype=np.uint16)
    whole = pack.image(scan, most=1e9)
    most = 0.7 * len(whole["data"])
    reduced = pack.image(scan, most=most)
    assert whole["levels"] == 256
    assert reduced["levels"] < 256
    assert len(reduced["data"]) <= 1.02 * most
    step = (reduced["high"] - reduced["low"]) / (reduced["levels"] - 1)
    values = undo(read(reduced["data"], np.uint8, scan.shape))
    told = reduced["low"] + values * step
    errors = np.abs(told - np.minimum(scan, reduced["high"]))
    assert errors.max() <= step / 2 + 1e-3


def test_a_probability_keeps_its_extremes():
    packed = pack.heat(np.array([[[0, 128, 255]]], np.uint8))
    assert read(packed["data"], np.uint8, (3,)).tolist() == [0, 16, pack.HEAT_LEVELS]


def test_scaled_values_reach_from_the_lowest_to_the_highest():
    values = np.array([[[0.25, np.nan, 0.5, 1.25]]])
    assert pack.scaled(values).ravel().tolist() == [0, 0, 64, 255]
    assert not pack.scaled(np.full((1, 2, 2), 0.5)).any()
