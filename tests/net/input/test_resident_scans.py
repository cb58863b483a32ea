"""Scans on the device give the batches of the host, where the memory is enough."""

import numpy as np
import pytest
from keras import ops

from competition.core.data import arrays
from competition.core.experiment import configs, layout
from competition.net import devices
from competition.net.input import resident_scans, training_samples
from competition.net.training import step
from tests.net.conftest import TINY

H100 = devices.Device("gpu", 1, 9.0)
TWO = devices.Device("gpu", 2, 9.0)


@pytest.mark.parametrize("fit", ["pad", "resize", "letterbox", "spacing", "body"])
@pytest.mark.parametrize("height", [24, 31, 45])
def test_batches_are_those_of_the_host_to_the_bit(table, store, fit, height):
    size = f"geometry.height={height}", "geometry.width=33", f"geometry.fit={fit}"
    if fit == "body":
        size = *size[:2], "geometry.fit=pad", "geometry.box=body"
    config = configs.load(
        "smoke", (*TINY, *size, "slices=[-2, 0, 3]", "augment.engine=device")
    )
    scans = resident_scans.ResidentScans(table, store, config)
    host = training_samples.TrainingSamples(table, store, config)
    device = training_samples.TrainingSamples(table, store, config, scans=scans)
    for number in range(host.steps):
        expected, batch = host.batch(number), device.batch(number)
        stack, bits = map(ops.convert_to_numpy, scans(batch.pop("numbers")))
        assert (stack.dtype, bits.dtype) == (np.uint16, np.uint8)
        np.testing.assert_array_equal(stack, expected.pop("stack"))
        np.testing.assert_array_equal(bits, expected.pop("bits"))
        # The windows and the changes.
        assert batch.keys() == expected.keys()
        for name, array in batch.items():
            np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("crop", ["[9, 20]", "[31, 33]"])
def test_crops_are_those_of_the_host_to_the_bit(table, store, crop):
    size = "geometry.height=31", "geometry.width=33", f"geometry.crop={crop}"
    more = "augment.engine=device", "position=true"
    config = configs.load("smoke", (*TINY, *size, *more))
    scans = resident_scans.ResidentScans(table, store, config)
    host = training_samples.TrainingSamples(table, store, config)
    device = training_samples.TrainingSamples(table, store, config, scans=scans)
    corners = set()
    for number in range(host.steps):
        expected, batch = host.batch(number), device.batch(number)
        stack, bits = scans(batch.pop("numbers"))
        normal = step.normalise(stack, batch["window"])
        cut = step.crop(normal, batch["corner"], config.geometry.crop)
        wanted = step.normalise(expected.pop("stack"), batch["window"])
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (cut, wanted)))
        cut = step.crop(bits[..., None], batch["corner"], config.geometry.crop)
        wanted = expected.pop("bits")
        np.testing.assert_array_equal(ops.convert_to_numpy(cut)[..., 0], wanted)
        corners |= set(map(tuple, batch.pop("corner").tolist()))
        for name, array in batch.items():
            np.testing.assert_array_equal(array, expected[name])
    assert len(corners) > 3 if crop == "[9, 20]" else corners == {(0, 0)}


def test_masks_of_many_classes_and_a_part_of_the_scans_are_kept(table, tmp_path):
    dataset = layout.DatasetFiles(tmp_path / "many")
    scan = np.arange(6 * 30 * 34).reshape(6, 30, 34).astype(np.uint16)
    arrays.write(dataset.scan("case1_day0"), scan)
    arrays.write(dataset.masks("case1_day0"), scan[::-1].copy())
    config = configs.load("smoke", (*TINY, "geometry.height=30", "geometry.width=34"))
    part = table[table["scan"] == "case1_day0"]
    store = arrays.Arrays(dataset)
    scans = resident_scans.ResidentScans(part, store, config)
    numbers = scans.numbers([("case1_day0", 5)], (-1, 0))
    assert numbers.tolist() == [[5, 4, 5]]
    stack, bits = map(ops.convert_to_numpy, scans(numbers))
    np.testing.assert_array_equal(stack[0], np.moveaxis(scan[4:], 0, -1))
    np.testing.assert_array_equal(bits[0], scan[0])
    assert resident_scans.size(part, store, config) == scan.nbytes * 2


@pytest.mark.parametrize(
    ("device", "free", "overrides", "expected"),
    [
        (H100, 10**9, (), "device"),
        # Two scans of 6 slices, 3 bytes a pixel, may take 0.4 of the memory.
        (H100, 2.5 * 12 * 32 * 32 * 3, (), "device"),
        (H100, 2.4 * 12 * 32 * 32 * 3, (), "host"),
        (H100, None, (), "host"),
        (H100, 10**9, ("augment.engine=host",), "host"),
        (H100, 10**9, ("model.architecture=unet_3d", "model.patch=[4,32,32]"), "host"),
        (H100, 10**9, ("input.place=host",), "host"),
        (TWO, 10**9, (), "device"),
        (TWO, 10**9, ("training.gpus=mirror",), "host"),
        (devices.Device("cpu"), None, (), "host"),
        (H100, 0, ("input.place=device",), "device"),
    ],
)
def test_the_place_follows_from_the_memory(
    table, store, monkeypatch, device, free, overrides, expected
):
    monkeypatch.setattr(devices, "find", lambda: device)
    monkeypatch.setattr(devices, "free_memory", lambda: free)
    config = configs.load("smoke", (*TINY, *overrides))
    assert resident_scans.place(table, store, config) == expected


def test_a_place_that_cannot_be_is_an_error(table, store):
    asked = "input.place=device", "augment.engine=host"
    with pytest.raises(ValueError, match=r"Received: engine host\. Set input\.place="):
        resident_scans.place(table, store, configs.load("smoke", (*TINY, *asked)))


def test_a_cpu_has_no_memory_of_its_own():
    assert devices.free_memory() is None
