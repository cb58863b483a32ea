"""Pixels as numbers and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from competition.sources.convert import colours


@given(hnp.arrays(np.uint8, (2, 3, 3), elements=st.sampled_from([0, 1, 254, 255])))
def test_colours_come_back(pixels):
    numbers = colours.encode(pixels)
    back = colours.decode(numbers)
    expected = pixels if back.ndim == 3 else pixels[..., 0]
    np.testing.assert_array_equal(back, expected)
    for number in numbers.ravel().tolist():
        assert colours.parse(colours.text(number)) == number


def test_greys_keep_their_value_in_every_form():
    grey = np.array([[0, 7, 255]], np.uint8)
    as_colour = np.stack([grey] * 3, axis=-1)
    assert colours.encode(as_colour).tolist() == grey.tolist()
    assert colours.decode(np.array([[0, 300]])).dtype == np.uint16
    assert colours.parse("#ffffff") == colours.parse("255") == 255


def test_dark_blue_is_no_grey():
    blue = np.array([[[0, 0, 7]]], np.uint8)
    assert colours.encode(blue).item() != 7
    assert colours.text(colours.encode(blue).item()) == "#000007"


@pytest.mark.parametrize("text", ["red", "#ff00", "#ff0000 ", "-1", "1.5", ""])
def test_other_texts_are_no_colours(text):
    assert colours.parse(text) is None
