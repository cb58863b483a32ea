"""Intensities as uint16: the order stays, and values stay apart where they can."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from competition.sources.convert import levels

ANY = st.sampled_from([np.uint8, np.int16, np.int32, np.uint64, np.float32, np.float64])
VOLUMES = ANY.flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=4),
        elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)


@settings(max_examples=150, deadline=None)
@given(VOLUMES)
def test_every_type_keeps_order_and_distinct_values(volume):
    made, _ = levels.convert(volume, "volume")
    assert made.dtype == np.uint16
    assert made.shape == volume.shape
    _, before = np.unique(volume, return_inverse=True)
    _, after = np.unique(made, return_inverse=True)
    np.testing.assert_array_equal(before.ravel(), after.ravel())


@pytest.mark.parametrize(
    ("values", "expected", "shift"),
    [
        (np.array([0, 7, 65535], np.int32), [0, 7, 65535], 0),
        (np.array([-1024, 0, 3000], np.int16), [0, 1024, 4024], -1024),
        (np.array([-32768, 32767], np.int16), [0, 65535], -32768),
        (np.array([70000, 70002], np.int32), [0, 2], 70000),
        (np.array([1.0, 4.0], np.float32), [1, 4], 0),
    ],
    ids=["as is", "CT", "all of int16", "high", "whole floats"],
)
def test_whole_numbers_are_only_shifted(values, expected, shift):
    made, scale = levels.convert(values.reshape(1, 1, -1), "volume")
    assert made.ravel().tolist() == expected
    assert scale == {"map": "shift", "shift": shift}


def test_fractions_are_spread_linearly():
    made, scale = levels.convert(np.array([[[0.0, 0.25, 1.0]]]), "volume")
    assert made.ravel().tolist() == [0, 16384, 65535]
    assert scale == {"map": "spread", "low": 0.0, "high": 1.0}


def test_values_too_close_for_a_linear_map_move_one_level_apart():
    made, _ = levels.convert(np.array([[[0.0, 1e-9, 2e-9, 1 - 1e-9, 1.0]]]), "volume")
    assert made.ravel().tolist() == [0, 1, 2, 65534, 65535]


def test_65536_distinct_values_use_every_level():
    values = np.geomspace(1e-6, 1, levels.LEVELS)
    made, _ = levels.convert(values.reshape(1, 256, 256), "volume")
    assert (made.ravel() == np.arange(levels.LEVELS)).all()


def test_more_distinct_values_never_change_places():
    values = np.linspace(0, 1, 2 * levels.LEVELS)
    made, _ = levels.convert(values.reshape(2, 256, 256), "volume")
    assert (np.diff(made.ravel().astype(int)) >= 0).all()
    assert len(np.unique(made)) == levels.LEVELS


def test_a_lone_extreme_is_warned_about(capsys):
    values = np.append(np.linspace(0, 1, 2 * levels.LEVELS - 1), 1e6)
    levels.convert(values.reshape(2, 256, 256), "scan.nii")
    assert "scan.nii: a few extreme intensities leave 0 of" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_intensities_must_be_finite(bad):
    with pytest.raises(ValueError, match=r"scan\.nii: expected finite .* in 2 voxels"):
        levels.convert(np.array([[[0.5, bad, bad]]]), "scan.nii")


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_a_window_has_the_same_levels_in_every_volume(dtype):
    for values in ([-1024, -160, -60, 40, 240, 3000], [-60, 40]):
        volume = np.array(values, dtype).reshape(1, 1, -1)
        made, scale = levels.convert(volume, "volume", (40, 400))
        expected = {-1024: 0, -160: 0, -60: 16384, 40: 32768, 240: 65535, 3000: 65535}
        assert made.ravel().tolist() == [expected[value] for value in values]
        assert scale == {"map": "window", "low": -160.0, "high": 240.0}


def test_a_window_beside_all_intensities_is_warned_about(capsys):
    levels.convert(np.array([[[0.0, 0.5]]]), "scan.nii", (1040, 400))
    said = capsys.readouterr().err.replace("\n", " ")
    assert "scan.nii: no intensity lies within the window 840 to 1240, all" in said


@pytest.mark.parametrize("window", [(40, 0), (40, -1), (np.nan, 1), (0, np.inf)])
def test_a_window_needs_a_width(window):
    with pytest.raises(ValueError, match=r"a centre and a width above 0, .* Received"):
        levels.check(window)
