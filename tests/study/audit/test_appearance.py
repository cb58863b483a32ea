"""What is measured of masks in a slice, at its extremes."""

import numpy as np

from competition.study.audit import appearance, edges


def test_a_mask_that_fills_its_slice_follows_no_edge():
    slopes = np.ones((2, 6, 8), np.float16)
    line = edges.border(np.ones((6, 8), bool))
    assert edges.along(slopes, line) == 0
    assert not edges.around(slopes, line).any()


def test_a_mask_that_fills_its_slice_is_as_deep_as_the_slice_is_long():
    seen = [np.zeros((6, 8), np.float32)] * 3
    *_, depth, _ = appearance.describe(seen, np.ones((6, 8), bool), 0.5)
    assert depth == 16
