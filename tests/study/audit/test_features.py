"""The measures of a mask in a slice, at their extremes."""

import numpy as np

from competition.study.audit import features, looks


def test_a_mask_that_fills_its_slice_follows_no_edge():
    slopes = np.ones((2, 6, 8), np.float16)
    line = features.border(np.ones((6, 8), bool))
    assert features.fit(slopes, line) == 0
    assert not features.fit(slopes, line, features.SHIFTS).any()


def test_a_mask_that_fills_its_slice_is_as_deep_as_the_slice_is_long():
    details = [np.zeros((6, 8), np.float32)] * 3
    *_, depth = looks.look(details, np.ones((6, 8), bool), 0.5)
    assert depth == 16
