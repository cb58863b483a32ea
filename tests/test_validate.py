"""A submission that Kaggle would take, and one file for every fault."""

import pytest

from competition import validate

HEADER = "id,class,predicted"
KEYS = [
    f"case1_day0_slice_000{number},{name}"
    for number in (1, 2)
    for name in ("large_bowel", "stomach")
]
EMPTY = [f"{key}," for key in KEYS]


@pytest.fixture
def check(tmp_path):
    """Validate lines against a sample of two slices, one of which has an image."""
    (tmp_path / "sample_submission.csv").write_text("\n".join([HEADER, *EMPTY]))
    folder = tmp_path / "test" / "case1" / "case1_day0" / "scans"
    folder.mkdir(parents=True)
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x05\x00\x00\x00\x04\x10"
    (folder / "slice_0001_5_4_1.50_1.50.png").write_bytes(header + bytes(8))

    def run(*lines, encoding="utf-8"):
        path = tmp_path / "submission.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return validate.run(path, data=tmp_path)

    return run


def test_a_submission_in_order_is_accepted(check):
    lines = [EMPTY[0] + "1 2 19 2", EMPTY[1], EMPTY[2] + "999 9", EMPTY[3]]
    assert check(HEADER, *lines) == {"ok": True, "faults": [], "rows": 4}


def test_a_header_alone_is_accepted_for_a_sample_without_rows(check, tmp_path):
    (tmp_path / "sample_submission.csv").write_text(HEADER + "\n")
    assert check(HEADER) == {"ok": True, "faults": [], "rows": 0}


@pytest.mark.parametrize(
    ("lines", "row", "fault"),
    [
        (["", *EMPTY], 1, "column id, class, predicted is missing"),
        (["id,class,segmentation", *EMPTY], 1, "column predicted is missing"),
        (["id,predicted,class"], 1, "the columns stand in another order"),
        ([f",{HEADER}", *(f"0,{e}" for e in EMPTY)], 1, "an index column stands first"),
        ([f"{HEADER},p", *(f"{e},1" for e in EMPTY)], 1, "column p is not of the comp"),
        ([HEADER, *EMPTY[:2], KEYS[2], EMPTY[3]], 4, "expected 3 fields, received 2"),
        ([HEADER, EMPTY[0] + "nan", *EMPTY[1:]], 2, "the mask is the text 'nan'"),
        ([HEADER, EMPTY[0] + "1", *EMPTY[1:]], 2, "must come in pairs"),
        ([HEADER, EMPTY[0] + "a 1", *EMPTY[1:]], 2, "must be a whole number"),
        ([HEADER, EMPTY[0] + "9 1 1 1", *EMPTY[1:]], 2, "runs must be sorted"),
        ([HEADER, EMPTY[0] + "1 3 2 1", *EMPTY[1:]], 2, "runs must not overlap"),
        ([HEADER, EMPTY[0] + "0 3", *EMPTY[1:]], 2, "must be positive"),
        ([HEADER, EMPTY[0] + "20 2", *EMPTY[1:]], 2, "outside the image of 20 pixels"),
        ([HEADER, *EMPTY[:3]], 5, f"{KEYS[3].replace(',', ', ')} is missing"),
        ([HEADER, *EMPTY, "x,stomach,"], 6, "x, stomach is not in sample_submission"),
        ([HEADER, *EMPTY, EMPTY[1]], 6, "stands already in row 3"),
        ([HEADER, EMPTY[1], EMPTY[0], *EMPTY[2:]], 3, "out of order: row 2 of sample"),
        ([HEADER, *EMPTY[:3], '"'], 1, "row 5: not a CSV row"),
    ],
)
def test_a_fault_is_named_with_its_row(check, lines, row, fault):
    result = check(*lines)
    assert not result["ok"]
    assert any(row == f["row"] and fault in f["fault"] for f in result["faults"])


def test_all_faults_are_listed_by_row(check):
    result = check(HEADER, EMPTY[0] + "1", EMPTY[2] + "null", EMPTY[1] + "5 5 1 1")
    assert [fault["row"] for fault in result["faults"]] == [2, 3, 4, 4, 5]
    assert result["rows"] == 3


def test_another_encoding_is_a_fault(check):
    result = check(HEADER, *EMPTY, "é,é,", encoding="latin-1")
    assert "expected UTF-8" in result["faults"][0]["fault"]


def test_an_empty_file_is_a_fault(check):
    assert "received an empty file" in check()["faults"][0]["fault"]


def test_without_a_sample_there_is_nothing_to_compare(tmp_path):
    with pytest.raises(ValueError, match=r"sample_submission\.csv: not found"):
        validate.run(tmp_path / "submission.csv", data=tmp_path)


def test_a_missing_submission_is_an_error(check, tmp_path):
    with pytest.raises(ValueError, match=r"other\.csv: no such file"):
        validate.run(tmp_path / "other.csv", data=tmp_path)
