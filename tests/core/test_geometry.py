"""Fit and restore are inverse where fit kept the pixel."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from competition.core import geometry, rle
from competition.core.experiment import schema

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


NATIVE = [
    ((266, 266), 1.5),
    ((310, 360), 1.5),
    ((276, 276), 1.63),
    ((234, 234), 1.5),
]
# Every slice fits into this frame, at a spacing of 1.5 mm as well.
FRAME = 320, 384


def placed(height: int, width: int, fit: str = "pad", **more) -> schema.Geometry:
    return schema.Geometry(fit=fit, height=height, width=width, **more)


@given(sizes, sizes)
def test_restore_undoes_fit_for_the_pixels_that_were_kept(shape, target):
    image = np.arange(1, 1 + np.prod(shape), dtype=np.uint16).reshape(shape)
    fitted = geometry.fit(image, placed(*target), geometry.Grid(shape))
    back = geometry.restore(fitted, placed(*target), geometry.Grid(shape))
    assert fitted.shape == target
    kept = np.isin(image, fitted)
    np.testing.assert_array_equal(back, np.where(kept, image, 0))
    assert kept.sum() == min(shape[0], target[0]) * min(shape[1], target[1])


@given(sizes, sizes)
def test_mask_and_image_are_placed_alike(shape, target):
    bits, grid = np.arange(np.prod(shape), dtype=np.uint8), geometry.Grid(shape)
    bits, to = bits.reshape(shape), placed(*target)
    np.testing.assert_array_equal(
        geometry.fit_mask(bits, to, grid), geometry.fit(bits, to, grid)
    )


def test_padding_is_zero_and_centred():
    fitted = geometry.fit(
        np.ones((2, 2, 3), np.uint16), placed(4, 4), geometry.Grid((2, 2))
    )
    assert fitted.shape == (4, 4, 3)
    assert fitted[..., 0].tolist() == [
        [0, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0] * 4,
    ]


@pytest.mark.parametrize("fit", ["resize", "letterbox", "spacing"])
@pytest.mark.parametrize(("shape", "mm"), NATIVE)
def test_a_round_trip_of_scaling_keeps_an_organ(shape, mm, fit):
    y, x = np.mgrid[: shape[0], : shape[1]]
    organ = ((y - 100) / 18) ** 2 + ((x - 120) / 23) ** 2 < 1  # about 1,300 pixels
    grid = geometry.Grid(shape, (mm, mm))
    to = placed(256, 256, fit, spacing_mm=2.0)
    stack = organ[..., None].astype(np.float32)
    back = geometry.restore(geometry.fit(stack, to, grid), to, grid)
    kept = back[..., 0] >= 0.5
    assert 2 * (organ & kept).sum() / (organ.sum() + kept.sum()) >= 0.98


def test_spacing_gives_a_millimetre_the_same_pixels_in_every_scan():
    to = placed(40, 50, "spacing", spacing_mm=2.0)
    image = np.ones((20, 30), np.float32)
    fitted = geometry.fit(image, to, geometry.Grid((20, 30), (3.0, 1.0)))
    rows, columns = (np.flatnonzero(fitted.any(axis=axis)) for axis in (1, 0))
    # 60 mm and 30 mm in pixels of 2 mm, about the centre.
    assert (rows[0], rows[-1], len(rows)) == (5, 34, 30)
    assert (columns[0], columns[-1], len(columns)) == (17, 31, 15)


@pytest.mark.parametrize(("shape", "mm"), NATIVE)
def test_at_their_own_spacing_slices_are_kept_to_the_bit(shape, mm):
    grid = geometry.Grid(shape, (mm, mm))
    to = placed(*FRAME, "spacing", spacing_mm=mm)
    image = np.random.default_rng(0).integers(0, 2**16, shape).astype(np.uint16)
    back = geometry.restore(geometry.fit(image, to, grid), to, grid)
    np.testing.assert_array_equal(back, image)


@given(sizes, sizes, st.data())
def test_what_lies_outside_of_the_box_is_empty_and_the_inside_is_restored(
    shape, target, data
):
    (top, bottom), (left, right) = (
        sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2)))
        for n in shape
    )
    grid = geometry.Grid(shape, body=geometry.Box(top, bottom, left, right))
    to = placed(*target, box="body")
    image = np.arange(1, 1 + np.prod(shape), dtype=np.uint16).reshape(shape)
    fitted = geometry.fit(image, to, grid)
    inside = np.zeros(shape, bool)
    inside[top:bottom, left:right] = True
    assert not np.isin(fitted, image[~inside]).any()
    kept = np.isin(image, fitted)
    back = geometry.restore(fitted, to, grid)
    np.testing.assert_array_equal(back, np.where(kept, image, 0))
    np.testing.assert_array_equal(geometry.fit_mask(image, to, grid), fitted)
    whole = geometry.fit(image, placed(*target), grid)
    np.testing.assert_array_equal(
        whole, geometry.fit(image, placed(*target), geometry.Grid(shape))
    )


@given(sizes, sizes)
def test_a_letterbox_keeps_the_ratio_and_pads_the_rest(shape, frame):
    height, width = geometry.inside(shape, frame)
    assert (height, width) == (frame[0], width) or (height, width) == (height, frame[1])
    assert height <= frame[0] and width <= frame[1]
    # Within the half pixel that rounding takes, and the pixel that must be left.
    scale = min(frame[0] / shape[0], frame[1] / shape[1])
    assert abs(height - scale * shape[0]) <= 0.5 or height == 1
    assert abs(width - scale * shape[1]) <= 0.5 or width == 1
    to = placed(*frame, "letterbox")
    grid = geometry.Grid(shape)
    fitted = geometry.fit(np.ones(shape, np.float32), to, grid)
    bits = geometry.fit_mask(np.ones(shape, np.uint8), to, grid)
    assert fitted.shape == bits.shape == frame
    assert (fitted > 0).sum() == bits.sum() == height * width
    np.testing.assert_array_equal(fitted > 0, bits > 0)
    np.testing.assert_allclose(geometry.restore(fitted, to, grid), 1, rtol=1e-6)


@pytest.mark.parametrize("fit", ["pad", "resize", "letterbox", "spacing"])
@pytest.mark.parametrize("box", ["none", "body"])
@pytest.mark.parametrize(("shape", "mm"), NATIVE)
def test_real_masks_survive(real, shape, mm, box, fit):
    path = real / "uw_madison" / "scans_8bit" / "train.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rles = [row["segmentation"] for row in csv.DictReader(file)]
    to = placed(*FRAME, fit, box=box)
    scores = []
    for text in filter(None, rles):
        organ = np.empty(shape, np.uint8)
        geometry.place(rle.decode(text, (310, 360)), organ)
        if organ.sum() < 12:
            continue
        rows, columns = (np.flatnonzero(organ.any(axis=axis)) for axis in (1, 0))
        body = geometry.Box(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        grid = geometry.Grid(shape, (mm, mm), body)
        fitted = geometry.fit_mask(organ, to, grid).astype(np.float32)
        back = geometry.restore(fitted, to, grid) >= 0.5
        scores.append(2 * (organ & back).sum() / (organ.sum() + back.sum()))
    assert len(scores) > 300
    if fit == "pad":
        assert min(scores) == 1
    assert np.mean(scores) >= 0.98 and min(scores) >= 0.9


def test_a_resized_mask_keeps_its_values():
    bits = np.array([[0, 5], [3, 7]], np.uint8)
    resized = geometry.fit_mask(bits, placed(4, 4, "resize"), geometry.Grid((2, 2)))
    assert resized.tolist() == np.kron(bits, np.ones((2, 2), np.uint8)).tolist()


def test_one_channel_keeps_its_axis_through_a_resize():
    fitted = geometry.fit(
        np.ones((5, 5, 1), np.uint16), placed(3, 4, "resize"), geometry.Grid((5, 5))
    )
    assert fitted.shape == (3, 4, 1)


def test_an_image_that_fits_is_not_copied():
    image = np.zeros((3, 4, 5), np.uint16)
    fitted = geometry.fit(image, placed(3, 4), geometry.Grid((3, 4)))
    assert np.shares_memory(fitted, image) and fitted.shape == image.shape
