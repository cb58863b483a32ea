"""Tables of masks, read and written, and every fault with its row."""

import pytest

from competition.core.data import mask_csv

A, B = "case1_day0_slice_0001", "case1_day0_slice_0002"


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_rows_carry_their_line(table):
    path = table(f"id,class,segmentation\n{A},bowel,1 2\n\n{B},bowel,\n")
    assert mask_csv.read(path, "segmentation") == [
        mask_csv.Row(2, A, "bowel", "1 2"),
        mask_csv.Row(4, B, "bowel", ""),
    ]


def test_columns_are_found_by_name(table):
    path = table(f"usage,predicted,class,id\r\nPublic,1 2,bowel,{A}\r\n", "utf-8-sig")
    assert mask_csv.read(path, None) == [mask_csv.Row(2, A, "bowel", "1 2")]


def test_a_header_alone_has_no_rows(table):
    assert mask_csv.read(table("id,class,predicted\n"), "predicted") == []


def test_a_mask_longer_than_the_csv_limit_is_read(table):
    text = "1 1 " * 50_000
    path = table(f"id,class,predicted\n{A},bowel,{text}\n")
    assert mask_csv.read(path, "predicted")[0].rle == text


def test_a_field_longer_than_any_mask_is_named(table):
    with pytest.raises(ValueError, match=r"row 2: not a CSV row: field larger than"):
        mask_csv.read(table("id,class,predicted\na,b," + "1" * 2**24 + "1\n"), None)


def test_rows_survive_their_file(tmp_path):
    rows = [mask_csv.Row(2, A, "bowel", "1 2"), mask_csv.Row(3, B, "bowel", "")]
    path = tmp_path / "new" / "submission.csv"
    mask_csv.write(path, rows)
    assert path.read_text("utf-8") == f"id,class,predicted\n{A},bowel,1 2\n{B},bowel,\n"
    assert mask_csv.read(path, "predicted") == rows


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(AttributeError):
        mask_csv.write(path, ["not a row"])
    assert [p.read_text("utf-8") for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header such as id,class,predicted, received an empty file"),
        ("id,predicted\n", r"column `class` is missing\. Received: id, predicted"),
        ("id,class,rle\n", "expected one column of masks.*Received: id, class, rle"),
        ("id,class,predicted,segmentation\n", "expected one column of masks"),
        (
            f"id,class,predicted\n{A},bowel\n",
            r"table\.csv, row 2: expected 3 fields \(id, class, predicted\), receiv",
        ),
        (
            f"id,class,predicted\n{A},bowel,\n{B},bowel,\n{A},bowel,1 1\n",
            f"row 4: {A}, bowel stands already in row 2",
        ),
        ("id,class,predicted\nslice_1,bowel,\n", "row 2: An id must look like"),
        (f'id,class,predicted\n{A},"bow"el,\n', "row 2: not a CSV row"),
    ],
)
def test_a_faulty_table_is_an_error_with_its_row(table, text, message):
    with pytest.raises(ValueError, match=message):
        mask_csv.read(table(text), None)


def test_another_encoding_is_an_error(table):
    path = table("id,class,größe\n", "latin-1")
    with pytest.raises(ValueError, match="expected UTF-8 text, received byte 246"):
        mask_csv.read(path, None)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: no such file\. Check the path"):
        mask_csv.read(tmp_path / "none.csv", None)
