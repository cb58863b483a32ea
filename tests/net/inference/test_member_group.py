"""The batches of members that share them: all devices get as many slices."""

import numpy as np
import pytest

from competition.core import geometry
from competition.core.experiment import configs
from competition.net import devices
from competition.net.inference import forward_pass, member_group
from tests.net.conftest import TINY

VOLUME, WINDOWS = np.zeros((4, 32, 32), np.uint16), np.zeros((4, 2))


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [4, 2, 1]), (2, [4, 2]), (3, [6, 3]), (8, [8])]
)
def test_batches_divide_among_the_devices_however_short_memory_is(
    monkeypatch, count, sizes
):
    device = devices.Device("cpu", count, backend="jax")
    monkeypatch.setattr(devices, "find", lambda: device)
    monkeypatch.setattr(devices, "shared", lambda *_: devices.policy("float32", device))
    tried, told = [], []
    group = member_group.MemberGroup(
        configs.load("smoke", TINY),
        forward_pass.ForwardPasses(),
        warn=lambda what, text: told.append(what),
    )

    def collect(slices):
        tried.append(group.batch)
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    with pytest.raises(ValueError, match="has no memory for a single slice"):
        group.predict({}, VOLUME, WINDOWS, geometry.Grid((32, 32)), collect)
    assert tried == sizes
    assert told == ["out of memory"] * (len(sizes) - 1)


@pytest.mark.parametrize(
    ("depth", "count", "size"), [(1, 1, 1), (3, 1, 4), (4, 1, 4), (9, 1, 4), (1, 3, 3)]
)
def test_a_scan_of_few_slices_is_not_predicted_many_times(
    monkeypatch, depth, count, size
):
    device = devices.Device("cpu", count, backend="jax")
    monkeypatch.setattr(devices, "find", lambda: device)
    monkeypatch.setattr(devices, "shared", lambda *_: devices.policy("float32", device))
    group = member_group.MemberGroup(
        configs.load("smoke", TINY),
        forward_pass.ForwardPasses(),
        warn=lambda what, text: None,
    )
    seen = []

    def predict(runs, batch):
        seen.append(len(batch["stack"]))
        return [{"probability": np.zeros((seen[-1], 32, 32, 3))}]

    monkeypatch.setattr(group, "_predict", predict)
    volume, windows = np.zeros((depth, 32, 32), np.uint16), np.zeros((depth, 2))
    grid = geometry.Grid((32, 32))
    found = group.predict({}, volume, windows, grid, list)
    assert len(found) == depth and set(seen) == {size}


def test_of_a_short_scan_the_batch_that_was_tried_is_halved(monkeypatch):
    device = devices.Device("cpu", 1, backend="jax")
    monkeypatch.setattr(devices, "find", lambda: device)
    monkeypatch.setattr(devices, "shared", lambda *_: devices.policy("float32", device))
    told = []
    group = member_group.MemberGroup(
        configs.load("smoke", (*TINY, "training.batch=32")),
        forward_pass.ForwardPasses(),
        warn=lambda what, text: told.append(text),
    )

    def collect(slices):
        if group.batch > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    group.predict({}, VOLUME, WINDOWS, geometry.Grid((32, 32)), collect)
    assert len(told) == 1 and "it has 2 slices" in told[0]
