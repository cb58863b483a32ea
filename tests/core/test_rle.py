"""RLE: round trips, the order of pixels, and every way a text can be illegal."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from competition.core import rle

SHAPE = (3, 5)
masks = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def naive(text, shape):
    pixels = np.zeros(shape[0] * shape[1], bool)
    numbers = [int(word) for word in text.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        pixels[start - 1 : start - 1 + length] = True
    return pixels.reshape(shape)


@given(masks)
def test_a_mask_survives_encode_and_decode(mask):
    text = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(text, mask.shape), mask)
    np.testing.assert_array_equal(naive(text, mask.shape), mask)
    assert rle.fault(text, mask.size) is None


@given(masks)
def test_encode_reads_any_layout_and_type(mask):
    text = rle.encode(mask)
    assert rle.encode(np.asfortranarray(mask)) == text
    assert rle.encode(mask.astype(np.uint8) * 255) == text


def test_pixels_count_row_by_row_from_one():
    mask = np.zeros(SHAPE, bool)
    mask[1, 2] = True
    assert rle.encode(mask) == "8 1"


def test_a_run_goes_on_in_the_next_row():
    mask = np.zeros(SHAPE, bool)
    mask[0, 4] = mask[1, 0] = True
    assert rle.encode(mask) == "5 2"


def test_an_empty_mask_is_an_empty_text():
    assert rle.encode(np.zeros(SHAPE, bool)) == ""
    assert not rle.decode("", SHAPE).any()


def test_the_whole_image_is_one_run():
    assert rle.encode(np.ones(SHAPE, bool)) == "1 15"
    assert rle.decode("1 15", SHAPE).all()


def test_touching_runs_are_legal():
    np.testing.assert_array_equal(rle.decode("2 2 4 3", SHAPE), naive("2 5", SHAPE))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", r"come in pairs\. Received: 3 numbers"),
        ("1 x", r"length of run 1 must be a whole number\. Received: 'x'"),
        ("1 2 4.0 1", r"start of run 2 must be a whole number\. Received: '4\.0'"),
        ("-1 2", r"start of run 1 must be a whole number\. Received: '-1'"),
        ("\u0661 2", "start of run 1 must be a whole number"),
        ("0 2", "run 1: start and length must be positive. Received: '0 2'"),
        ("1 2 5 0", "run 2: start and length must be positive. Received: '5 0'"),
        ("9 1 2 1", "run 2 starts at 2, but run 1 at 9: runs must be sorted"),
        ("2 3 4 1", "run 2 starts at 4, but run 1 ends at 4: runs must not overlap"),
        ("15 2", "run 1 ends at 16, outside the image of 15 pixels"),
        ("1 1 99 1", "run 2 ends at 99, outside the image"),
        (f"1 {2**63}", "outside the image"),
        (f"{2**63 - 1} {2**63 - 1}", "outside the image"),
        (f"1 1 {2**63 - 1} 1 5 1", "outside the image"),
        ("01 2", "without leading zeros. Received: '01 2'"),
        (" ", "separated by single spaces"),
    ],
)
def test_an_illegal_text_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        rle.decode(text, SHAPE)


@given(st.lists(st.integers(0, 20), max_size=6))
def test_the_fast_check_agrees_with_the_one_that_explains(numbers):
    text = " ".join(map(str, numbers))
    if rle.fault(text, 15) is None:
        np.testing.assert_array_equal(rle.decode(text, SHAPE), naive(text, SHAPE))
    else:
        with pytest.raises(ValueError, match="the RLE is not legal"):
            rle.decode(text, SHAPE)


def test_without_a_size_a_run_may_end_anywhere():
    assert rle.fault("1000000 5") is None


def test_a_volume_cannot_be_encoded():
    with pytest.raises(
        ValueError, match=r"two dimensions.*Received: shape \(2, 3, 5\)"
    ):
        rle.encode(np.zeros((2, *SHAPE), bool))


def test_real_rows_survive_decode_and_encode(real):
    with (real / "uw_madison" / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    slices = {row["id"].rpartition("_slice_")[0]: 0 for row in rows}
    for row in rows:
        slices[row["id"].rpartition("_slice_")[0]] += 1
    assert len(rows) == 8484
    for row in rows:
        scan = row["id"].rpartition("_slice_")[0]
        shape = (276, 276) if slices[scan] == 3 * 80 else (266, 266)
        text = row["segmentation"]
        assert rle.encode(rle.decode(text, shape)) == text


@given(st.lists(st.tuples(st.integers(1, 15), st.integers(1, 5)), max_size=6))
def test_mended_runs_are_the_same_mask_and_legal(runs):
    text = "  ".join(f"{start} {length}" for start, length in runs)
    mended = rle.mend(text, 15)
    if any(start + length > 16 for start, length in runs):
        assert mended is None
    else:
        assert rle.fault(mended, 15) is None
        assert mended == rle.encode(naive(text, SHAPE))


@pytest.mark.parametrize(
    "text",
    ["1", "1 x", "0 2", "2 0", "-1 2", "1.0 2", "15 2", f"1 {9**99}", "\u0661 1"],
)
def test_a_text_of_no_certain_mask_is_not_mended(text):
    assert rle.mend(text, 15) is None


@pytest.mark.parametrize("text", ["1  1", "1 1 ", " 1 1"])
def test_needless_spaces_are_refused_everywhere(text):
    with pytest.raises(ValueError, match="separated by single spaces"):
        rle.decode(text, (2, 2))
