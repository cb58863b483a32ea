"""The batches of a scan that is predicted."""

import numpy as np

from competition.core import geometry, stacks
from competition.net.input import scan_batches
from tests.net.conftest import DEPTH, GRID


def test_inference_gives_every_slice_in_order_and_fills_the_last_batch(store, tiny):
    volume = store.scan("case0_day0")
    windows = np.arange(2 * DEPTH).reshape(DEPTH, 2)
    stream = list(scan_batches.stack_batches(volume, windows, GRID, tiny, batch=4))
    assert [batch["stack"].shape for batch in stream] == [(4, 32, 32, 3)] * 2
    stack = np.concatenate([batch["stack"] for batch in stream])
    order = [0, 1, 2, 3, 4, 5, 5, 5]
    for position, index in enumerate(order):
        expected = stacks.gather(volume, index, (-1, 0, 1))
        fitted = geometry.fit(expected, tiny.geometry, GRID)
        np.testing.assert_array_equal(stack[position], fitted)
    window = np.concatenate([batch["window"] for batch in stream])
    np.testing.assert_array_equal(window, windows[order])
