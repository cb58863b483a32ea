"""From a scan to its probabilities."""

import numpy as np
import pytest

from competition.core import config
from competition.net import build, inference, training

from .conftest import CLASSES, DEPTH, HEIGHT, TINY, WIDTH

WINDOWS = np.tile(np.float32([100, 1100]), (DEPTH, 1))


def network(wanted: config.Config, seed: int):
    training.seed(seed)
    return build.build(wanted, CLASSES)


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_probabilities_have_the_size_of_the_scan(store, fit):
    wanted = config.load("smoke", (*TINY, f"geometry.fit={fit}"))
    volume = store.scan("case0_day0")
    received = inference.predict_scan([network(wanted, 0)], volume, WINDOWS, wanted)
    assert received.shape == (DEPTH, HEIGHT, WIDTH, CLASSES)
    assert received.dtype == np.float32
    assert received.min() >= 0
    assert received.max() <= 1


def test_what_the_geometry_crops_is_zero(store, tiny):
    # The scan is 34 wide, the network 32: a column on either side is lost.
    volume = store.scan("case0_day0")
    received = inference.predict_scan([network(tiny, 0)], volume, WINDOWS, tiny)
    assert (received[:, :, [0, -1]] == 0).all()
    assert (received[:, :, 1:-1] > 0).all()


def test_networks_are_averaged(store, tiny):
    volume = store.scan("case0_day0")
    one, other = network(tiny, 0), network(tiny, 1)
    alone = [inference.predict_scan([n], volume, WINDOWS, tiny) for n in (one, other)]
    both = inference.predict_scan([one, other], volume, WINDOWS, tiny)
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_the_batch_size_does_not_matter(store, tiny):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    larger = config.load("smoke", (*TINY, "training.batch=16"))
    one = inference.predict_scan([same], volume, WINDOWS, tiny)
    other = inference.predict_scan([same], volume, WINDOWS, larger)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_weights_changed_between_scans_are_used(store, tiny):
    volume, same = store.scan("case0_day0"), network(tiny, 0)
    before = inference.predict_scan([same], volume, WINDOWS, tiny)
    same.set_weights([weight * 2 for weight in same.get_weights()])
    after = inference.predict_scan([same], volume, WINDOWS, tiny)
    assert np.abs(before - after).max() > 1e-3


def test_windows_of_another_scan_are_refused(store, tiny):
    volume = store.scan("case0_day0")
    with pytest.raises(ValueError, match=r"Expected shape \(6, 2\), received \(5, 2\)"):
        inference.predict_scan([network(tiny, 0)], volume, WINDOWS[:5], tiny)
