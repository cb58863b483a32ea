"""The upsampling as a matrix product against Keras's transposed convolutions."""

import keras
import numpy as np
import pytest

from competition.net.networks import doubling

CASES = [
    ("Conv2DTranspose", (3, 5, 4), (2, 2)),
    ("Conv3DTranspose", (3, 4, 2, 4), (2, 2, 2)),
    ("Conv3DTranspose", (3, 4, 3, 4), (2, 2, 1)),
]


def network(module, name, shape, block):
    keras.utils.set_random_seed(0)
    layer = getattr(module, name)(6, block, strides=block, bias_initializer="uniform")
    return keras.Sequential([keras.Input(shape), layer])


@pytest.mark.parametrize(("name", "shape", "block"), CASES)
def test_weights_of_keras_own_layer_load_and_give_the_same(
    name, shape, block, tmp_path
):
    expected = network(keras.layers, name, shape, block)
    received = network(doubling, name, shape, block)
    received.layers[0].kernel.assign(received.layers[0].kernel * 0)
    expected.save_weights(tmp_path / "old.weights.h5")
    received.load_weights(tmp_path / "old.weights.h5")
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    assert received.output_shape == expected.output_shape
    np.testing.assert_allclose(
        received.predict_on_batch(x), expected.predict_on_batch(x), atol=1e-6
    )


def test_a_step_changes_the_weights_as_keras_own_layer_does():
    x = np.random.default_rng(0).random((2, 3, 5, 4), np.float32)
    truth = np.random.default_rng(1).random((2, 6, 10, 6), np.float32)
    weights = []
    for module in (keras.layers, doubling):
        model = network(module, *CASES[0])
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(x, truth)
        weights.append(model.get_weights())
    for expected, received in zip(*weights, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_it_computes_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        (output,) = network(doubling, *CASES[0]).outputs
    finally:
        keras.config.set_dtype_policy("float32")
    assert output.dtype == "bfloat16"
