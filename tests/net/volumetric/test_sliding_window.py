"""Patches that slide over a scan predict as the network does on the whole scan."""

import keras
import numpy as np
import pytest

from competition.core import geometry, probabilities
from competition.core.experiment import configs
from competition.net.inference import ensemble, forward_pass, scan_predictor
from competition.net.networks import build
from competition.net.training import setup
from competition.net.volumetric import sliding_window
from tests.net.conftest import CLASSES, DEPTH, GRID, HEIGHT, TINY, WIDTH
from tests.net.inference import by_scan

WINDOWS = np.tile(np.float32([100, 1100]), (DEPTH, 1))
PATCH = "model.architecture=unet_3d", "model.patch=[4, 16, 12]", "training.batch=3"


def wanted(*more: str) -> configs.Config:
    return configs.load("smoke", (*TINY, *PATCH, *more))


def pointwise(config: configs.Config) -> keras.Model:
    """A network that looks at each voxel alone, so that patches cannot matter."""
    depth, height, width = config.model.patch
    patch = keras.Input((height, width, depth))
    voxels = keras.layers.Reshape((height, width, depth, 1))(patch)
    return keras.Model(patch, keras.layers.Dense(CLASSES)(voxels))


def network(config: configs.Config, seed: int = 0) -> keras.Model:
    setup.seed(seed)
    return build.build(config, CLASSES)


def predict(config, net, volume, windows=WINDOWS):
    return by_scan.predict([net], volume, windows, GRID, config)


@pytest.mark.parametrize("fit", ["pad", "resize"])
@pytest.mark.parametrize("patch", ["[4, 16, 12]", "[8, 32, 32]", "[1, 9, 32]"])
def test_of_a_pointwise_network_they_are_exact(store, fit, patch):
    chosen = wanted(f"geometry.fit={fit}", f"model.patch={patch}")
    volume = store.scan("case0_day0")
    # Of each slice its own, or a wrong one would not be seen.
    windows = WINDOWS + np.arange(DEPTH)[:, None] * np.float32([10, 50])
    net = pointwise(chosen)
    kernel, bias = (np.array(each) for each in net.get_weights())
    expected = []
    for image, (low, high) in zip(volume, windows, strict=True):
        grey = (geometry.fit(image, chosen.geometry, GRID) - low) / (high - low)
        logits = np.clip(grey, 0, 1)[..., None] * kernel[0] + bias
        plane = 1 / (1 + np.exp(-logits))
        expected.append(geometry.restore(plane, chosen.geometry, GRID))
    received = predict(chosen, net, volume, windows)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_one_patch_over_all_is_the_network_itself(store):
    chosen = wanted(f"model.patch=[{DEPTH}, 32, 32]", "geometry.fit=resize")
    volume, net = store.scan("case0_day0"), network(chosen)
    fitted = np.stack([geometry.fit(image, chosen.geometry, GRID) for image in volume])
    stack = np.moveaxis(fitted, 0, -1)[None]
    (outputs,) = ensemble.predict_on_batch(
        {"stack": stack, "window": WINDOWS[None]},
        [ensemble.Networks([net], chosen)],
        forward_pass.ForwardPasses(),
    )
    planes = outputs["probability"].reshape(32, 32, DEPTH, CLASSES)
    expected = np.moveaxis(planes, 2, 0)
    for one, other in zip(predict(chosen, net, volume), expected, strict=True):
        restored = geometry.restore(other, chosen.geometry, GRID)
        np.testing.assert_allclose(one, restored, atol=1e-6)


def test_a_patch_counts_less_towards_its_border():
    chosen = wanted("geometry.height=16", "geometry.width=12", "model.patch=[4, 16, 8]")
    places = []

    def predict_numbers(batch):
        # A patch's probability is its number, that of the batch's surplus patch is 9.
        first = len(places)
        places.extend(batch["stack"])
        numbers = np.arange(first, first + len(batch["stack"]))
        numbers = np.where(numbers < 2, numbers, 9).astype(np.float32)
        shape = len(numbers), 16, 8, 4 * CLASSES
        return [{"probability": np.broadcast_to(numbers[:, None, None, None], shape)}]

    volume = np.zeros((4, 16, 12), np.uint16)
    slices = sliding_window.slices(
        predict_numbers,
        volume,
        WINDOWS[:4],
        geometry.Grid((16, 12)),
        config=chosen,
        batch=3,
    )
    for (outputs,) in slices:
        line = outputs["probability"][3, :, 0]
        assert line[:4].tolist() == [0] * 4
        assert line[8:].tolist() == [1] * 4
        assert (np.diff(line[3:9]) > 0).all()
        np.testing.assert_allclose(line + line[::-1], 1, atol=1e-6)
    assert len(places) == 3


def test_the_batch_size_does_not_matter(store):
    volume, net = store.scan("case0_day0"), network(wanted())
    one = predict(wanted(), net, volume)
    other = predict(wanted("training.batch=16"), net, volume)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_scan_shorter_than_a_patch_is_predicted_too(store):
    chosen = wanted(f"model.patch=[{DEPTH + 3}, 16, 16]")
    received = predict(chosen, network(chosen), store.scan("case0_day0"))
    assert received.shape == (DEPTH, HEIGHT, WIDTH, CLASSES)
    # Zero is what the geometry cropped alone.
    assert (received[:, :, 1:-1] > 0).all()


def test_the_flipped_view_is_averaged(store):
    # The patches lie as in a mirror.
    patch = "model.patch=[4, 16, 16]"
    flip = wanted('submit.tta=["flip"]', patch)
    volume, net = store.scan("case0_day0"), network(flip)
    plain, mirrored = (predict(flip, net, v) for v in (volume, volume[:, :, ::-1]))
    seen = scan_predictor.ScanPredictor(
        [scan_predictor.Member("a", flip, {0: net})]
    ).predict(volume, {"slice": WINDOWS}, GRID)["a"]
    expected = (plain + mirrored[:, :, ::-1]) / 2
    assert np.abs(seen.probability / 255 - expected).max() <= 0.5 / 255 + 1e-6


def test_members_in_2d_and_3d_are_predicted_side_by_side(store):
    flat, deep = configs.load("smoke", TINY), wanted()
    volume, nets = store.scan("case0_day0"), (network(flat), network(deep, 1))
    predictor = scan_predictor.ScanPredictor(
        [
            scan_predictor.Member("flat", flat, {0: nets[0]}),
            scan_predictor.Member("deep", deep, {0: nets[1], 1: nets[1]}),
        ]
    )
    seen = predictor.predict(volume, {"slice": WINDOWS}, GRID)
    for name, chosen, net in zip(seen, (flat, deep), nets, strict=True):
        expected = probabilities.quantise(predict(chosen, net, volume))
        np.testing.assert_array_equal(seen[name].probability, expected)
    # Enough of them for a rate: patches overlap.
    assert predictor.typical_slices() == 4 * 4
