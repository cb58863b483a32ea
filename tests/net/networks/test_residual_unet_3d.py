"""What is the residual 3D U-Net's own; the rest goes through the networks' harness."""

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net.networks import build, residual_unet_3d
from tests.net.conftest import CLASSES, TINY


def network(*more: str, patch: str = "[8, 24, 20]", widths: str = "[2, 2, 4, 4]"):
    chosen = "model.architecture=residual_unet_3d", f"model.patch={patch}"
    sizes = f"model.widths={widths}", "model.norm=instance"
    return build.build(configs.load("smoke", (*TINY, *chosen, *sizes, *more)), CLASSES)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        # 80 slices of 3 mm over pixels of 1.5 mm: then 3, 6, 12, 24 and 48 mm.
        (80, [80, 80, 40, 20, 10, 5]),
        (16, [16, 16, 8, 4, 2, 2]),
        (7, [7, 7, 4, 2, 2, 2]),
        (1, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_depth_is_first_halved_where_voxels_are_as_long_as_wide(depth, expected):
    received, sizes = depth, []
    for high, wide, deep in residual_unet_3d.strides(depth, 6):
        received = -(-received // deep)
        sizes.append(received)
        assert high == wide == (1 if len(sizes) == 1 else 2)
    assert sizes == expected


def test_the_encoder_has_more_blocks_the_deeper_it_is():
    net = network()
    names = {layer.name for layer in net.layers}
    for level, count in enumerate((1, 2, 2, 4)):
        assert f"encoder{level}_{count - 1}_relu" in names
        assert f"encoder{level}_{count}_relu" not in names
    sizes = [
        net.get_layer(f"encoder{level}_0_relu").output.shape[1:4] for level in range(4)
    ]
    assert sizes == [(24, 20, 8), (12, 10, 8), (6, 5, 4), (3, 3, 2)]


def test_deep_outputs_have_all_slices_and_presence_is_of_each():
    net = network("model.deep_supervision=true", "model.presence=true")
    sizes = [each.shape[1:] for each in net.output["deep"]]
    assert sizes == [(12, 10, 8, CLASSES), (6, 5, 8, CLASSES)]
    assert net.output["presence"].shape == (None, 8, CLASSES)


def test_a_block_adds_to_what_it_receives():
    net = network(widths="[2, 2]")
    for layer in net.layers:
        if layer.name == "decoder0_2_norm":
            layer.gamma.assign(0 * layer.gamma)
    joined, after = (net.get_layer(name).output for name in ("join0", "decoder0_relu"))
    parts = keras.Model(net.input, [joined, after])
    before, result = parts(np.random.default_rng(0).random((1, 24, 20, 8)))
    np.testing.assert_allclose(result, np.maximum(before, 0), atol=1e-6)


def test_the_parts_are_recomputed_where_the_config_says_so():
    net = network("model.remat=true", patch="[4, 16, 16]")
    names = {layer.name for layer in net.layers}
    assert {"encoder3_3", "decoder0"} <= names
    assert "encoder3_3_relu" not in names
    assert net.count_params() == network(patch="[4, 16, 16]").count_params()
