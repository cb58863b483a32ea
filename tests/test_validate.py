"""A submission that Kaggle would take, and one file for every fault."""

import pathlib
import time

import pytest

from competition import validate

HEADER = "id,class,predicted"
KEYS = [
    f"case1_day0_slice_000{number},{name}"
    for number in (1, 2)
    for name in ("large_bowel", "stomach")
]
EMPTY = [f"{key}," for key in KEYS]
CLEAN = "\n".join([HEADER, *EMPTY]) + "\n"


@pytest.fixture
def check(tmp_path):
    """Validate lines against a sample of two slices, one of which has an image."""
    (tmp_path / "sample_submission.csv").write_text("\n".join([HEADER, *EMPTY]))
    folder = tmp_path / "test" / "case1" / "case1_day0" / "scans"
    folder.mkdir(parents=True)
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x05\x00\x00\x00\x04\x10"
    (folder / "slice_0001_5_4_1.50_1.50.png").write_bytes(header + bytes(8))

    def run(*lines, encoding="utf-8", end="\n", fix=None):
        path = tmp_path / "submission.csv"
        path.write_bytes(end.join(lines).encode(encoding))
        return validate.run(path, data=tmp_path, fix=fix)

    return run


def test_a_submission_in_order_is_accepted(check):
    lines = [EMPTY[0] + "1 2 19 2", EMPTY[1], EMPTY[2] + "999 9", EMPTY[3]]
    assert check(HEADER, *lines) == {"ok": True, "faults": [], "rows": 4}
    assert check(HEADER, *lines, end="\r\n")["ok"]


def test_a_header_alone_is_accepted_for_a_sample_without_rows(check, tmp_path):
    (tmp_path / "sample_submission.csv").write_text(HEADER + "\n")
    assert check(HEADER) == {"ok": True, "faults": [], "rows": 0}


def first(text):
    """The lines of a submission whose first row has this mask."""
    return [HEADER, EMPTY[0] + text, *EMPTY[1:]]


UNSAFE = [
    (["", *EMPTY], 1, "column id, class, predicted is missing"),
    (["id,class,segmentation", *EMPTY], 1, "column predicted is missing"),
    ([f"{HEADER},id", *(e + ",x" for e in EMPTY)], 1, "column id stands twice"),
    ([f"{HEADER},predicted,note", *(e + ",7 3,x" for e in EMPTY)], 1, "stands twice"),
    ([f",{HEADER},class", *("0," + e + ",a" for e in EMPTY)], 1, "class stands twice"),
    ([HEADER, *EMPTY[:2], KEYS[2], EMPTY[3]], 4, "expected 3 fields, received 2"),
    (first("1"), 2, "must come in pairs"),
    (first("a 1"), 2, "must be a whole number"),
    (first("1.0 1"), 2, "must be a whole number"),
    (first("0 3"), 2, "must be positive"),
    (first("3 0"), 2, "must be positive"),
    (first("20 2"), 2, "outside the image of 20 pixels"),
    (first("9 1 20 2 1 1"), 2, "outside the image of 20 pixels"),
    ([HEADER, *EMPTY, "x,stomach,"], 6, "x, stomach is not in sample_submission"),
    ([HEADER, *EMPTY[:3], KEYS[3] + "s,"], 5, "stomachs is not in sample_submission"),
    ([HEADER, ",stomach,", *EMPTY[1:]], 2, ", stomach is not in sample_submission"),
    ([HEADER, *EMPTY, EMPTY[1] + "1 1"], 6, "stands already in row 3"),
    ([HEADER, *EMPTY[:3], '"'], 1, "row 5: not a CSV row"),
    ([HEADER, *EMPTY, "\0"], 6, "expected 3 fields"),
]
ORDER = [HEADER, EMPTY[1], EMPTY[0], *EMPTY[2:]]
REPAIRED = [
    (["id,predicted,class", *(key.replace(",", ",,") for key in KEYS)], 1,
     "the columns stand in another order", "put the columns in order"),
    ([f",{HEADER}", *(f"0,{e}" for e in EMPTY)], 1,
     "an index column stands first", "removed the index column"),
    ([f"{HEADER},p", *(f"{e},1" for e in EMPTY)], 1,
     "column p is not of the competition", "removed column p"),
    (["id, class, predicted", *EMPTY], 1,
     "spaces stand around the names", "removed the spaces around the names"),
    ([f"\ufeff{HEADER}", *EMPTY], 1, "byte order mark", "removed the byte order mark"),
    (first("nan"), 2, "the mask is the text 'nan'", "emptied the mask 'nan'"),
    (first(" "), 2, "separated by single spaces", "wrote the same mask anew"),
    ([HEADER, f" {EMPTY[0]}", *EMPTY[1:]], 2,
     "spaces stand around the id", "removed the spaces around id and class"),
    ([HEADER, *EMPTY[:3]], 5, f"{KEYS[3].replace(',', ', ')} is missing", "added case"),
    ([HEADER, *EMPTY[:3]], 1, "expected 4 rows below the header, received 3", "made"),
    ([HEADER, *EMPTY, EMPTY[1]], 6, "stands already in row 3", "removed the row"),
    (ORDER, 3, "out of order: row 2 of sample", "moved to row 2 of sample"),
]  # fmt: skip
# An index column does not hide another one that is too many.
REPAIRED.append(
    ([f",{HEADER},p", *(f"0,{e},1" for e in EMPTY)], 1,
     "column p is not of the competition", "removed column p"),
)  # fmt: skip
REWRITTEN = [
    ("9 1 1 1", "1 1 9 1", "runs must be sorted"),
    ("1 3 2 1", "1 3", "runs must not overlap"),
    ("1 3 2 5", "1 6", "runs must not overlap"),
    ("9 2 1 1 10 3", "1 1 9 4", "runs must be sorted"),
    ("1  3", "1 3", "separated by single spaces"),
    (" 1 3 ", "1 3", "separated by single spaces"),
    ("01 3", "1 3", "without leading zeros"),
]


def texts(items, key):
    return [(item["row"], item[key]) for item in items]


@pytest.mark.parametrize(("lines", "row", "fault"), UNSAFE)
def test_a_fault_that_no_repair_is_safe_for(check, tmp_path, lines, row, fault):
    for fix in (None, tmp_path / "fixed.csv"):
        result = check(*lines, fix=fix)
        assert not result["ok"]
        assert any(
            at == row and fault in text for at, text in texts(result["faults"], "fault")
        )
    assert not fix.exists()


@pytest.mark.parametrize(("lines", "row", "fault", "repair"), REPAIRED)
def test_a_fault_that_is_repaired(check, tmp_path, lines, row, fault, repair):
    found = texts(check(*lines)["faults"], "fault")
    assert any(at == row and fault in text for at, text in found)
    fix = tmp_path / "fixed.csv"
    result = check(*lines, fix=fix)
    assert (result["ok"], result["faults"], result["rows"]) == (True, [], 4)
    assert result["fixed"] == str(fix)
    done = texts(result["repairs"], "repair")
    assert any(at == row and text.startswith(repair) for at, text in done)
    assert fix.read_bytes() == CLEAN.encode()
    assert validate.run(fix, data=tmp_path)["ok"]


@pytest.mark.parametrize(("received", "written", "fault"), REWRITTEN)
def test_runs_are_sorted_and_merged(check, tmp_path, received, written, fault):
    assert fault in check(*first(received))["faults"][0]["fault"]
    fix = tmp_path / "fixed.csv"
    result = check(*first(received), fix=fix)
    assert fault in result["repairs"][0]["repair"]
    assert fix.read_text("utf-8").splitlines()[1] == EMPTY[0] + written
    assert validate.run(fix, data=tmp_path)["ok"]


def test_legal_rows_are_simplified_too(check, tmp_path):
    path = tmp_path / "submission.csv"
    result = check(*first("1 2 3 4"), end="\r\n", fix=path)
    assert texts(result["repairs"], "repair") == [
        (1, "wrote Unix line ends"),
        (2, "merged runs that touch"),
    ]
    assert path.read_text("utf-8") == CLEAN.replace(EMPTY[0], EMPTY[0] + "1 6")
    assert validate.run(path, data=tmp_path, fix=path)["repairs"] == []


def test_one_unsafe_fault_leaves_all_as_it_is(check, tmp_path):
    fix = tmp_path / "fixed.csv"
    result = check(HEADER, EMPTY[1], EMPTY[0] + "1", *EMPTY[2:], fix=fix)
    assert [row for row, _ in texts(result["faults"], "fault")] == [3]
    assert "repairs" not in result
    assert not fix.exists()


def test_a_repaired_file_is_not_written_over_a_folder(check, tmp_path):
    for folder in (pathlib.Path(), tmp_path):
        with pytest.raises(ValueError, match=r"received a folder.*as `fix`, such as"):
            check(HEADER, *EMPTY, fix=folder)


def test_all_faults_are_listed_by_row(check):
    result = check(HEADER, EMPTY[0] + "1", EMPTY[2] + "null", EMPTY[1] + "5 5 1 1")
    assert [fault["row"] for fault in result["faults"]] == [1, 2, 3, 4, 4, 5]
    assert result["rows"] == 3


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_a_fault(check, encoding):
    result = check(HEADER, *EMPTY, "é,é,", encoding=encoding)
    assert "expected UTF-8" in result["faults"][0]["fault"]


def test_an_empty_file_is_a_fault(check):
    assert "received an empty file" in check()["faults"][0]["fault"]


def test_a_missing_sample_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"sample_submission\.csv: not found"):
        validate.run(tmp_path / "submission.csv", data=tmp_path)


def test_a_missing_submission_is_an_error(check, tmp_path):
    with pytest.raises(ValueError, match=r"other\.csv: no such file"):
        validate.run(tmp_path / "other.csv", data=tmp_path)


def seconds_for(folder, cases):
    """Return the processor time that a submission of this many cases takes."""
    folder.mkdir()
    keys = [
        f"case{case}_day0_slice_{slice:04},{name},"
        for case in range(cases)
        for slice in range(1, 145)
        for name in ("large_bowel", "small_bowel", "stomach")
    ]
    (folder / "sample_submission.csv").write_text("\n".join([HEADER, *keys]))
    runs = " ".join(f"{20_000 + 266 * row} {row % 9 + 20}" for row in range(40))
    lines = [key + runs * (place % 3 == 0) for place, key in enumerate(keys)]
    path = folder / "submission.csv"
    path.write_text("\n".join([HEADER, *reversed(lines)]))
    began = time.process_time()
    assert validate.run(path, data=folder, fix=folder / "fixed.csv")["ok"]
    return time.process_time() - began


def test_time_grows_with_the_rows_and_not_with_their_square(tmp_path):
    few, many = (seconds_for(tmp_path / str(cases), cases) for cases in (4, 80))
    assert many / few < 100
