"""The part file of a submission."""

import json

import pytest

from competition.submit import partial

ONE = {("case1_day0_slice_0001", "bowel"): "1 2"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / ".submit.part"


def test_masks_survive_their_rows_in_json():
    rows = json.loads(json.dumps(partial.to_rows(ONE)))
    assert partial.from_rows(rows) == ONE


def test_what_was_added_is_there_again(path):
    partial.PartialSubmission(path, "k").add("case1_day0", ONE)
    again = partial.PartialSubmission(path, "k")
    again.add("case2_day0", {("x", "bowel"): ""})
    assert partial.PartialSubmission(path, "k").scans == {
        "case1_day0": ONE,
        "case2_day0": {},
    }


def test_another_key_begins_anew(path):
    partial.PartialSubmission(path, "k").add("case1_day0", ONE)
    other = partial.PartialSubmission(path, "other")
    assert other.scans == {}
    other.add("case2_day0", {})
    assert partial.PartialSubmission(path, "other").scans == {"case2_day0": {}}


@pytest.mark.parametrize("cut", [1, 9])
def test_a_half_written_last_line_is_ignored_and_written_over(path, cut):
    part = partial.PartialSubmission(path, "k")
    part.add("case1_day0", ONE)
    part.add("case2_day0", ONE)
    path.write_bytes(path.read_bytes()[:-cut])
    broken = partial.PartialSubmission(path, "k")
    assert list(broken.scans) == ["case1_day0"]
    broken.add("case2_day0", ONE)
    assert list(partial.PartialSubmission(path, "k").scans) == [
        "case1_day0",
        "case2_day0",
    ]


@pytest.mark.parametrize("harm", [(b'"1 2"', b'"1 3"'), (b"[", b"[" * 100_000)])
def test_a_line_that_was_changed_is_not_taken(path, harm):
    part = partial.PartialSubmission(path, "k")
    part.add("case1_day0", {})
    part.add("case2_day0", ONE)
    head, first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + second.replace(*harm, 1))
    assert list(partial.PartialSubmission(path, "k").scans) == ["case1_day0"]


def test_removed_it_is_gone_and_what_is_done_is_known(path):
    part = partial.PartialSubmission(path, "k")
    part.add("case1_day0", ONE)
    part.remove()
    assert part.scans == {"case1_day0": ONE}
    assert not path.exists()
