"""Scans that are turned, so that their slices lie across another axis."""

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from competition.core import axes, geometry
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout

SHAPES = {"case1_day0": (4, 6, 9), "case2_day0": (3, 7, 8)}


@pytest.fixture
def prepared(tmp_path):
    """The slice table of two scans, and their arrays."""
    dataset, rows = layout.DatasetFiles(tmp_path), []
    for scan, shape in SHAPES.items():
        numbers = np.arange(np.prod(shape)).reshape(shape)
        arrays.write(dataset.scan(scan), numbers.astype(np.uint16))
        arrays.write(dataset.masks(scan), (numbers % 5 == 0).astype(np.uint8))
        depth, height, width = shape
        row = {"scan": scan, "fold": 0, "scan_low": 1.0, "scan_high": 9.0}
        row |= {"height": height, "width": width}
        row |= {"spacing_z_mm": 3.0, "spacing_y_mm": 2.0, "spacing_x_mm": 1.5}
        row |= dict.fromkeys(slice_table.BOX, 2)
        rows += [
            {"id": f"{scan}_{i}", "index": i, "slice": i + 1} | row
            for i in range(depth)
        ]
    return pd.DataFrame(rows), arrays.Arrays(dataset)


@hypothesis.given(
    st.lists(st.integers(1, 5), min_size=3, max_size=5), st.sampled_from("zyx")
)
def test_what_is_turned_is_turned_back(shape, axis):
    array = np.arange(np.prod(shape)).reshape(shape)
    order = {"z": [0, 1, 2], "y": [1, 0, 2], "x": [2, 0, 1]}[axis]
    turned = np.moveaxis(array, order, [0, 1, 2])
    back = axes.turn_back(turned, axis)
    np.testing.assert_array_equal(back, array)
    assert back.flags.c_contiguous
    if array.ndim == 3:
        np.testing.assert_array_equal(axes.turn(array, axis), turned)


@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_turned_table_has_a_row_for_each_slice_across_the_axis(prepared, axis):
    table, store = prepared
    turned, arrays_of = axes.turned(table, store, axis)
    place = "zyx".index(axis)
    assert turned["id"].is_unique
    assert slice_table.scans(turned) == slice_table.scans(table) == list(SHAPES)
    grids = slice_table.grids(turned)
    for scan, rows in turned.groupby("scan"):
        volume, bits = store.scan(scan), store.masks(scan)
        assert list(rows["index"]) == list(range(volume.shape[place]))
        for index in rows["index"]:
            for whole, of in ((volume, arrays_of.scan), (bits, arrays_of.masks)):
                np.testing.assert_array_equal(of(scan)[index], whole.take(index, place))
        grid, shape = grids[scan], volume.take(0, place).shape
        assert grid.shape == shape == grid.body.shape
        assert grid.spacing_mm == {"y": (3.0, 1.5), "x": (3.0, 2.0)}[axis]
        windows = slice_table.windows(rows, "scan")
        np.testing.assert_array_equal(windows, [[1, 9]] * len(rows))


def test_across_z_nothing_is_changed(prepared):
    table, store = prepared
    assert axes.turned(table, store, "z") == (table, store)
    given = store.scan("case1_day0"), np.ones((4, 2)), geometry.Grid((6, 9))
    assert axes.scan(*given, "z") == given


def test_a_scan_to_predict_is_turned_with_its_windows_and_its_grid(prepared):
    _, store = prepared
    volume, windows = store.scan("case1_day0"), np.tile([1.0, 9.0], (4, 1))
    turned, of_slices, grid = axes.scan(volume, windows, geometry.Grid((6, 9)), "x")
    np.testing.assert_array_equal(turned[5], volume[:, :, 5])
    assert of_slices.shape == (9, 2) and (of_slices == [1, 9]).all()
    assert grid.shape == (4, 6)
