"""Every architecture goes through the same harness."""

import numpy as np
import pytest

from competition.core import config
from competition.net import build, inference, losses, step, training

from .conftest import CLASSES, TINY

WIDTHS = {"unet": "[4, 8]", "attention_unet": "[4, 8, 8]"}


def make(architecture: str, *more: str) -> config.Config:
    chosen = f"model.architecture={architecture}"
    widths = f"model.widths={WIDTHS[architecture]}"
    return config.load("smoke", (*TINY, chosen, widths, *more))


@pytest.fixture(params=sorted(build.ARCHITECTURES))
def architecture(request) -> str:
    return request.param


def batch(bits: int = 3) -> dict[str, np.ndarray]:
    stack = np.random.default_rng(0).integers(0, 500, (4, 32, 32, 3))
    masks = np.zeros((4, 32, 32), np.uint8)
    masks[:, 8:20, 8:20] = bits
    stack[masks > 0] += 400
    window = np.tile(np.float32([0, 1000]), (4, 1))
    return {"stack": stack.astype(np.uint16), "bits": masks, "window": window}


def test_forward_gives_a_finite_float32_logit_a_pixel_and_class(architecture):
    network = build.build(make(architecture), CLASSES)
    stack = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    logits = network.predict_on_batch(stack)
    assert logits.shape == (2, 32, 32, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(("height", "width"), [(33, 31), (17, 46), (5, 7)])
def test_odd_sizes_come_back_as_they_were(architecture, height, width):
    sizes = f"geometry.height={height}", f"geometry.width={width}"
    network = build.build(make(architecture, *sizes), CLASSES)
    logits = network.predict_on_batch(np.zeros((1, height, width, 3), np.float32))
    assert logits.shape == (1, height, width, CLASSES)


def test_weights_saved_and_loaded_give_the_same_logits(architecture, tmp_path):
    config = make(architecture, "model.dropout=0.5")
    network = build.build(config, CLASSES)
    network.save_weights(tmp_path / "best.weights.h5")
    loaded = inference.load(tmp_path / "best.weights.h5", config, CLASSES)
    stack = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    expected = network.predict_on_batch(stack)
    np.testing.assert_array_equal(loaded.predict_on_batch(stack), expected)


def losses_of_steps(config: config.Config, batch: dict, steps: int) -> list[float]:
    training.seed(0)
    model = step.Step(build.build(config, CLASSES), losses.build(config.loss))
    optimizer = training.build_optimizer(config.training, steps=steps)
    model.compile(optimizer=optimizer, jit_compile=step.xla())
    return [float(model.train_on_batch(batch)) for _ in range(steps)]


def test_a_training_step_reduces_the_loss(architecture):
    before, after = losses_of_steps(make(architecture), batch(), 2)
    assert after < before


def test_a_batch_of_empty_masks_is_learned_too(architecture):
    values = losses_of_steps(make(architecture), batch(bits=0), 5)
    assert np.isfinite(values).all()
    assert values[-1] < values[0]


def test_dropout_is_active_in_training_alone():
    network = build.build(make("unet", "model.dropout=0.5"), CLASSES)
    stack = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    once, again = (np.array(network(stack, training=True)) for _ in range(2))
    assert (once != again).any()
    once, again = (np.array(network(stack, training=False)) for _ in range(2))
    assert (once == again).all()


def test_the_gate_lets_between_nothing_and_all_of_a_skip_by():
    import keras

    network = build.build(make("attention_unet"), CLASSES)
    skip, gated = (network.get_layer(f"gate1_{name}") for name in ("theta", "gated"))
    maps = keras.Model(network.input, [skip.input, gated.output])
    before, after = maps.predict_on_batch(np.ones((1, 32, 32, 3), np.float32))
    share = after[before > 1e-3] / before[before > 1e-3]
    assert share.size
    assert ((share > 0) & (share < 1)).all()


def test_the_finest_skip_has_no_gate():
    network = build.build(make("attention_unet"), CLASSES)
    gates = {layer.name for layer in network.layers if layer.name.endswith("_psi")}
    assert gates == {"gate1_psi"}


def test_too_few_widths_for_a_gate_are_refused():
    config = make("attention_unet", "model.widths=[4, 8]")
    with pytest.raises(ValueError, match=r"at least 3 levels.*Received: \[4, 8\]"):
        build.build(config, CLASSES)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    network = build.build(make("unet"), CLASSES)
    network.save_weights(tmp_path / "best.weights.h5")
    with pytest.raises(ValueError, match=r"best\.weights\.h5: not weights of a unet"):
        inference.load(
            tmp_path / "best.weights.h5", make("unet", "model.widths=[4, 6]"), CLASSES
        )
