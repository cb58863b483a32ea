"""The slice table."""

import zlib

import pandas as pd
import pytest

from competition.core import files, geometry
from competition.core.data import slice_table
from competition.core.experiment import layout


def table(**columns):
    rows = {
        "id": ["a", "b", "c"],
        "case": [1, 2, 3],
        "scan": ["case1_day0", "case2_day0", "case3_day0"],
        "fold": [0, 1, 0],
        "faulty": [False, False, True],
        "low": [1.5, 2.0, 3.0],
        "scan_low": [1.0, 1.0, 1.0],
        "high": [10.0, 20.0, 30.0],
        "scan_high": [40.0, 40.0, 40.0],
    } | columns
    missing = {name: 0 for name in slice_table.COLUMNS if name not in rows}
    return pd.DataFrame(rows | missing)


def test_the_table_survives_its_file(tmp_path):
    slice_table.write(tmp_path / "slices.csv", table())
    read = slice_table.read(layout.DatasetFiles(tmp_path))
    assert list(read.columns) == list(slice_table.COLUMNS)
    assert read["faulty"].tolist() == [False, False, True]
    assert read["low"].tolist() == [1.5, 2.0, 3.0]


def test_before_prepare_the_table_is_missing(tmp_path):
    with pytest.raises(
        ValueError, match=r"slices\.csv: no slice table\. Run .* prepare"
    ):
        slice_table.read(layout.DatasetFiles(tmp_path))


def test_a_case_on_both_sides_is_an_error(tmp_path):
    slice_table.write(tmp_path / "slices.csv", table(case=[1, 1, 2]))
    with pytest.raises(ValueError, match="case 1 stands in 2 folds, so that it"):
        slice_table.read(layout.DatasetFiles(tmp_path))


def test_a_table_of_an_older_version_asks_to_prepare_again(tmp_path):
    old = table().drop(columns=slice_table.BOX)
    (tmp_path / "slices.csv").write_text(old.to_csv(index=False))
    with pytest.raises(ValueError, match=r"no column box_top, .* Prepare the data ag"):
        slice_table.read(layout.DatasetFiles(tmp_path))


def test_the_grid_of_a_scan_has_its_size_spacing_and_box():
    columns = {"height": 30, "width": 40, "spacing_y_mm": 2.0, "spacing_x_mm": 1.5}
    box = dict(zip(slice_table.BOX, (1, 29, 3, 37), strict=True))
    grids = slice_table.grids(table(**columns, **box))
    assert list(grids) == ["case1_day0", "case2_day0", "case3_day0"]
    expected = geometry.Grid((30, 40), (2.0, 1.5), geometry.Box(1, 29, 3, 37))
    assert grids["case2_day0"] == expected


def test_another_table_than_the_manifests_is_an_error(tmp_path):
    dataset = layout.DatasetFiles(tmp_path)
    text = slice_table.write(dataset.slices, table())
    files.write_json(dataset.manifest, {"slices_crc": zlib.crc32(text.encode())})
    assert len(slice_table.read(dataset)) == 3
    # Each scan is then predicted by the network that was trained on it.
    slice_table.write(dataset.slices, table(fold=[1, 0, 1]))
    with pytest.raises(ValueError, match=r"slices\.csv is not the table .* a file of"):
        slice_table.read(dataset)


def test_a_manifest_of_another_form_is_named(tmp_path):
    dataset = layout.DatasetFiles(tmp_path)
    slice_table.write(dataset.slices, table())
    files.write_json(dataset.manifest, [])
    with pytest.raises(ValueError, match=r"manifest\.json: the document: .*an object"):
        slice_table.read(dataset)


@pytest.mark.parametrize("text", ["", "id,fold\n", "id,case,fold\na,1,\n", "\0\0"])
def test_a_damaged_table_is_named(tmp_path, text):
    (tmp_path / "slices.csv").write_text(text)
    with pytest.raises(ValueError, match=r"slices\.csv is damaged .*Prepare the data"):
        slice_table.read(layout.DatasetFiles(tmp_path))


def test_a_fold_trains_on_the_others_and_faulty_scans_are_on_no_side():
    assert slice_table.training(table(), 1)["id"].tolist() == ["a"]
    assert slice_table.held_out(table(), 0)["id"].tolist() == ["a"]
    assert slice_table.held_out_scans(table(), [1, 0]) == ["case2_day0", "case1_day0"]


def test_windows_are_the_slices_or_the_scans():
    assert slice_table.windows(table(), "slice")[0].tolist() == [1.5, 10]
    assert slice_table.windows(table(), "scan")[0].tolist() == [1, 40]
