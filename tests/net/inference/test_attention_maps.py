"""The attention maps of the slices of a scan, at the size of the slices."""

import dataclasses

import keras
import numpy as np
import pytest

from competition.core import geometry
from competition.core.experiment import configs, layout, runs
from competition.net.inference import attention_maps
from competition.net.networks import build

TINY = (
    "geometry.height=32", "geometry.width=32", 'geometry.fit="pad"',
    "model.widths=[4, 8, 8, 8]",
)  # fmt: skip


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A run, and weights of its fold 0 whose gate 1 lets half of everything through."""
    config = configs.load("attention_unet", TINY)
    keras.utils.set_random_seed(0)
    network = build.build(config, 2)
    layer = network.get_layer("gate1_psi")
    layer.set_weights([np.zeros_like(values) for values in layer.get_weights()])
    place = layout.RunFiles(tmp_path_factory.mktemp("gated"))
    place.fold(0).mkdir()
    network.save_weights(place.weights(0))
    return runs.Run("gated", place, config, ("a", "b"), fingerprint="0")


def maps_of(gated, shape):
    volume = np.random.default_rng(0).integers(0, 100, shape).astype(np.uint16)
    return maps_of_scan(gated, volume)


def maps_of_scan(gated, volume):
    shape = volume.shape
    windows = np.tile(np.float32([0, 100]), (shape[0], 1))
    grid = geometry.Grid(shape[1:])
    return attention_maps.compute(gated, 0, volume=volume, windows=windows, grid=grid)


def test_slices_have_maps_of_their_own_size_the_coarsest_gate_first(gated):
    maps = maps_of(gated, (2, 20, 24))
    assert list(maps) == ["gate2", "gate1"]
    assert {values.shape for values in maps.values()} == {(2, 20, 24)}
    assert (maps["gate1"] == 0.5).all()
    assert ((maps["gate2"] > 0) & (maps["gate2"] < 1)).all()
    assert np.ptp(maps["gate2"]) > 0
    assert (maps["gate2"][0] != maps["gate2"][1]).any()


def test_pixels_outside_the_frame_have_no_value(gated):
    gate = maps_of(gated, (1, 40, 24))["gate1"][0]
    assert np.isnan(gate[:4]).all() and np.isnan(gate[36:]).all()
    assert (gate[4:36] == 0.5).all()


def test_maps_of_slices_across_another_axis_are_turned_back(gated):
    volume = np.random.default_rng(0).integers(0, 100, (20, 3, 24)).astype(np.uint16)
    across = dataclasses.replace(
        gated, config=gated.config.model_copy(update={"axis": "y"})
    )
    maps, plain = (
        maps_of_scan(run, scan)
        for run, scan in ((across, volume), (gated, volume.transpose(1, 0, 2)))
    )
    for name, expected in plain.items():
        np.testing.assert_array_equal(maps[name], expected.transpose(1, 0, 2))
