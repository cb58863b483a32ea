"""Masks as bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from competition.core import masks


@given(
    st.integers(1, 16).flatmap(lambda c: hnp.arrays(bool, (2, 3, 4, c))),
)
def test_unpack_undoes_pack(planes):
    bits = masks.pack(planes)
    assert bits.shape == (2, 3, 4)
    np.testing.assert_array_equal(masks.unpack(bits, planes.shape[-1]), planes)


def test_overlapping_classes_share_a_pixel():
    bits = masks.pack(np.array([[[True, False, True]]]))
    assert bits.tolist() == [[0b101]]
    assert masks.plane(bits, 2).item() and not masks.plane(bits, 1).item()


def test_nine_classes_need_two_bytes():
    assert masks.bits_type(8) is np.uint8
    assert masks.bits_type(9) is np.uint16


@pytest.mark.parametrize("classes", [0, 17])
def test_more_classes_than_bits_is_an_error(classes):
    with pytest.raises(ValueError, match=f"1 to 16 classes.*Received: {classes}"):
        masks.bits_type(classes)
