"""Batch normalisation equals Keras' layer: outputs, gradients, means of training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import batch_norm, build

SHAPES = {"images": (3, 8, 6, 5), "volumes": (2, 4, 6, 3, 5), "one pixel": (1, 1, 1, 5)}
LAYERS = [layers.BatchNormalization, batch_norm.BatchNormalization]


def pair(shape, dtype="float32"):
    """Return Keras' layer and ours, built, with the same weights, and an input."""
    random = np.random.default_rng(3)
    made = [each(momentum=0.9, dtype=dtype) for each in LAYERS]
    made[1].one_operation = True
    for layer in made:
        layer.build(shape)
    for first, second in zip(*(layer.weights for layer in made), strict=True):
        value = random.uniform(0.5, 2, first.shape)
        first.assign(value)
        second.assign(value)
    return made, random.normal(2, 3, shape).astype(np.float32)


def close(received, expected, **tolerance):
    received, expected = (
        ops.convert_to_numpy(ops.cast(each, "float32")) for each in (received, expected)
    )
    np.testing.assert_allclose(received, expected, **tolerance)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_equals_keras(shape, training):
    (keras_layer, layer), x = pair(shape)
    for _ in range(3):
        received, expected = (
            each(x, training=training) for each in (layer, keras_layer)
        )
        assert received.shape == shape
        close(received, expected, atol=1e-4)
        x = x * 2 + 1
    for first, second in zip(layer.weights, keras_layer.weights, strict=True):
        assert first.path.split("/")[-1] == second.path.split("/")[-1]
        close(first, second, rtol=1e-4, err_msg=first.path)


def test_what_is_not_trainable_is_normalised_by_the_means_of_training():
    (keras_layer, layer), x = pair((2, 4, 4, 5))
    before = [np.array(each) for each in layer.weights]
    for each in (layer, keras_layer):
        each.trainable = False
    close(layer(x, training=True), keras_layer(x, training=True), atol=1e-4)
    for weight, value in zip(layer.non_trainable_weights, before, strict=True):
        close(weight, value)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_comes_out_as_it_went_in(precision):
    (keras_layer, layer), x = pair((2, 8, 8, 5), f"mixed_{precision}")
    received, expected = (each(x, training=True) for each in (layer, keras_layer))
    assert keras.backend.standardize_dtype(received.dtype) == precision
    close(received, expected, atol=0.1, rtol=0.02)
    close(layer.moving_variance, keras_layer.moving_variance, rtol=0.02)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its gradients")
def test_its_gradients_equal_those_of_keras():
    import tensorflow as tf

    layers_of_both, x = pair((3, 8, 6, 5))
    weight = np.random.default_rng(4).normal(size=x.shape).astype(np.float32)
    gradients = []
    for layer in layers_of_both:

        @tf.function
        def of_input_and_weights(x, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) * weight)
            wanted = [x, layer.gamma.value, layer.beta.value]
            return tape.gradient(loss, wanted)

        gradients.append(of_input_and_weights(tf.constant(x)))
    for received, expected in zip(*reversed(gradients), strict=True):
        close(received, expected, atol=1e-3)


def test_a_mean_far_from_zero_costs_the_variance_no_digits():
    (keras_layer, layer), x = pair((4, 16, 16, 5))
    for each in (layer, keras_layer):
        each(x + 1000, training=True)
    close(layer.moving_variance, keras_layer.moving_variance, rtol=1e-3)


def norms_of(*overrides):
    """Return the normalising layers of a network of two levels."""
    sizes = "geometry.height=16", "geometry.width=16", "model.widths=[4, 4]"
    network = build.build(configs.load("smoke", (*sizes, *overrides)), 2)
    return [each for each in network._flatten_layers() if isinstance(each, LAYERS[1])]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [((), True), (("model.remat=true",), True), (("training.xla=true",), False)],
)
def test_networks_on_a_cpu_take_it_where_xla_does_not_compile_them(overrides, expected):
    norms = norms_of(*overrides)
    # JAX always compiles by XLA.
    expected = expected and keras.backend.backend() == "tensorflow"
    # Two levels of two convolutions each, and two of the decoder.
    assert [layer.one_operation for layer in norms] == [expected] * 6


def test_networks_on_a_gpu_do_not_take_it(monkeypatch):
    monkeypatch.setattr(devices, "find", lambda: devices.Device("gpu", 1, 7.5))
    norms = norms_of("training.xla=false")
    assert [layer.one_operation for layer in norms] == [False] * 6


def test_either_layer_loads_the_weights_of_the_other(tmp_path):
    def network(kind):
        stack = keras.Input((4, 4, 5))
        return keras.Model(stack, kind(name="norm")(layers.Conv2D(5, 3)(stack)))

    for saving, loading in [LAYERS, LAYERS[::-1]]:
        saved, loaded = network(saving), network(loading)
        saved.layers[-1].gamma.assign(np.arange(5))
        saved.save_weights(tmp_path / "all.weights.h5")
        loaded.load_weights(tmp_path / "all.weights.h5")
        close(loaded.layers[-1].gamma, np.arange(5))
