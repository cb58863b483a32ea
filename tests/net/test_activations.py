"""What a training step keeps of a sample, by hand and beside what JAX counts."""

import keras
import pytest
from keras import layers, ops

from competition.core.experiment import configs
from competition.net import activations, devices
from competition.net.networks import build, recomputed

PIXELS = 8 * 8


class Branch(layers.Layer):
    """A layer of other layers, as those of transformers are."""

    def __init__(self):
        super().__init__()
        self.norm = layers.LayerNormalization()
        self.wide = layers.Dense(4)

    def build(self, shape):
        self.norm.build(shape)
        self.wide.build(shape)

    def call(self, x):
        return ops.gelu(self.wide(self.norm(x)))


def test_layers_within_models_and_layers_are_counted():
    stack = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 1), Branch()])
    network = keras.Model(stack, layers.ReLU()(inner(stack)))
    # The stack, the convolution, and in the branch: three values of the normalisation,
    # the wide features and three values of GELU; ReLU keeps nothing of its own.
    values = 3 + 2 + 3 * 2 + 4 + 3 * 4
    assert activations.kept_bytes(network) == PIXELS * 4 * values
    assert activations.recomputed_bytes(network) == 0


def test_of_a_recomputed_part_only_what_it_receives_and_returns_is_kept():
    inside = keras.Input((8, 8, 3))
    part = keras.Model(inside, layers.Conv2D(2, 1)(layers.Conv2D(50, 1)(inside)))
    stack = keras.Input((8, 8, 3))
    network = keras.Model(stack, recomputed.Recomputed(part, name="part")(stack))
    assert activations.kept_bytes(network) == PIXELS * 4 * (3 + 2)
    assert activations.recomputed_bytes(network) == PIXELS * 4 * (3 + 50 + 2)


def test_normalisations_and_the_weights_of_attention_are_float32():
    with devices.policy("bfloat16", devices.Device("cpu")):
        x = keras.Input((16, 2, 4), dtype="bfloat16")
        normal = layers.BatchNormalization()(x)
    network = keras.Model(x, ops.dot_product_attention(normal, normal, normal))
    # 128 values are received, normalised and returned; 2 heads see 16 x 16 pairs.
    expected = 128 * (2 + 4 + 2) + 2 * 16 * 16 * (4 + 2)
    assert activations.kept_bytes(network) == expected


@pytest.mark.parametrize(("remat", "gigabytes"), [("false", 0.97), ("true", 0.10)])
def test_a_transformer_keeps_what_jax_counts(remat, gigabytes):
    widths = "model.widths=[16,32,64,128,256]"
    sizes = [f"geometry.{side}=448" for side in ("height", "width")]
    kind = "model.encoder=mit_b2", f"model.remat={remat}"
    slices = "slices=[-2,-1,0,1,2]"
    wanted = configs.load("unet", (*sizes, *kind, slices, widths))
    with devices.policy("bfloat16", devices.Device("cpu")):
        network = build.build(wanted, 3)
    # JAX also keeps a copy of the weights in bfloat16.
    kept = activations.kept_bytes(network) + 2 * network.count_params()
    assert gigabytes / 1.5 < kept / 1e9 < gigabytes * 1.5
