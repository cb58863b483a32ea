"""Fit and restore are inverse where fit kept the pixel."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from competition.core import geometry, rle
from competition.core.experiment import schema

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def placed(height: int, width: int, fit: str = "pad") -> schema.Geometry:
    return schema.Geometry(fit=fit, height=height, width=width)


@given(sizes, sizes)
def test_restore_undoes_fit_for_the_pixels_that_were_kept(shape, target):
    image = np.arange(1, 1 + np.prod(shape), dtype=np.uint16).reshape(shape)
    fitted = geometry.fit(image, placed(*target))
    back = geometry.restore(fitted, shape, placed(*target))
    assert fitted.shape == target
    kept = np.isin(image, fitted)
    np.testing.assert_array_equal(back, np.where(kept, image, 0))
    assert kept.sum() == min(shape[0], target[0]) * min(shape[1], target[1])


@given(sizes, sizes)
def test_mask_and_image_are_placed_alike(shape, target):
    bits = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(
        geometry.fit_mask(bits, placed(*target)), geometry.fit(bits, placed(*target))
    )


def test_padding_is_zero_and_centred():
    fitted = geometry.fit(np.ones((2, 2, 3), np.uint16), placed(4, 4))
    assert fitted.shape == (4, 4, 3)
    assert fitted[..., 0].tolist() == [
        [0, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0] * 4,
    ]


@pytest.mark.parametrize("fit", ["resize", "letterbox"])
@pytest.mark.parametrize("shape", [(266, 266), (310, 360), (276, 276), (234, 234)])
def test_a_round_trip_of_scaling_keeps_an_organ(shape, fit):
    y, x = np.mgrid[: shape[0], : shape[1]]
    organ = ((y - 100) / 18) ** 2 + ((x - 120) / 23) ** 2 < 1  # about 1,300 pixels
    to = placed(256, 256, fit)
    stack = organ[..., None].astype(np.float32)
    back = geometry.restore(geometry.fit(stack, to), shape, to)
    kept = back[..., 0] >= 0.5
    assert 2 * (organ & kept).sum() / (organ.sum() + kept.sum()) >= 0.98


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
    fitted = geometry.fit(np.ones(shape, np.float32), to)
    bits = geometry.fit_mask(np.ones(shape, np.uint8), to)
    assert fitted.shape == bits.shape == frame
    assert (fitted > 0).sum() == bits.sum() == height * width
    np.testing.assert_array_equal(fitted > 0, bits > 0)
    np.testing.assert_allclose(geometry.restore(fitted, shape, to), 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(266, 266), (310, 360), (276, 276), (234, 234)])
def test_real_masks_survive_a_letterbox(real, shape):
    path = real / "uw_madison" / "scans_8bit" / "train.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rles = [row["segmentation"] for row in csv.DictReader(file)]
    to = placed(320, 384, "letterbox")
    scores = []
    for text in filter(None, rles):
        organ = np.empty(shape, np.uint8)
        geometry.place(rle.decode(text, (310, 360)), organ)
        fitted = geometry.fit_mask(organ, to).astype(np.float32)
        back = geometry.restore(fitted, shape, to) >= 0.5
        if organ.sum() >= 12:
            scores.append(2 * (organ & back).sum() / (organ.sum() + back.sum()))
    assert len(scores) > 300
    assert np.mean(scores) >= 0.99 and min(scores) >= 0.95


def test_a_resized_mask_keeps_its_values():
    bits = np.array([[0, 5], [3, 7]], np.uint8)
    resized = geometry.fit_mask(bits, placed(4, 4, "resize"))
    assert resized.tolist() == np.kron(bits, np.ones((2, 2), np.uint8)).tolist()


def test_one_channel_keeps_its_axis_through_a_resize():
    fitted = geometry.fit(np.ones((5, 5, 1), np.uint16), placed(3, 4, "resize"))
    assert fitted.shape == (3, 4, 1)


def test_an_image_that_fits_is_not_copied():
    image = np.zeros((3, 4, 5), np.uint16)
    assert geometry.fit(image, placed(3, 4)) is image
