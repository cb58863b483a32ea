"""Fit and restore are inverse where fit kept the pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from competition.core import geometry
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


@pytest.mark.parametrize("shape", [(266, 266), (310, 360), (276, 276), (234, 234)])
def test_a_resize_round_trip_keeps_an_organ(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    organ = ((y - 100) / 18) ** 2 + ((x - 120) / 23) ** 2 < 1  # about 1,300 pixels
    to = placed(256, 256, "resize")
    stack = organ[..., None].astype(np.float32)
    back = geometry.restore(geometry.fit(stack, to), shape, to)
    kept = back[..., 0] >= 0.5
    assert 2 * (organ & kept).sum() / (organ.sum() + kept.sum()) >= 0.98


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
