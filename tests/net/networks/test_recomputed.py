"""Networks whose features are computed again learn as others do, in less memory."""

import math

import keras
import numpy as np
import pytest

from competition.core.experiment import configs
from competition.net import activations, devices, needs
from competition.net.networks import build, heads
from competition.net.training import losses, step
from tests.net.conftest import CLASSES, TINY


def make(remat: bool, *more: str) -> configs.Config:
    keras.utils.set_random_seed(0)
    return configs.load("smoke", (*TINY, f"model.remat={str(remat).lower()}", *more))


def test_steps_with_dropout_and_means_of_batches_are_the_same():
    random = np.random.default_rng(0)
    batch = {
        "stack": random.integers(0, 999, (2, 32, 32, 3)).astype(np.uint16),
        "bits": random.integers(0, 4, (2, 32, 32)).astype(np.uint8),
        "window": np.float32([[0, 1000]] * 2),
    }
    weights = []
    for remat in (False, True):
        wanted = make(remat, "model.dropout=0.4", "model.norm=batch")
        network = build.build(wanted, CLASSES)
        model = step.TrainingStep(network, losses.build(wanted.loss))
        eagerly = keras.backend.backend() == "tensorflow"
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=eagerly)
        for _ in range(2):
            model.train_on_batch(batch)
        weights.append(network.get_weights())
    for kept, again in zip(*weights, strict=True):
        np.testing.assert_allclose(again, kept, atol=1e-5)


def test_the_estimate_leaves_out_what_is_computed_again():
    device = devices.Device("cpu")
    wanted = make(False), make(True)
    networks = [build.build(each, CLASSES) for each in wanted]
    kept, again = map(activations.kept_bytes, networks)
    assert again < 0.6 * kept
    # Of two levels, nearly half is in the part that is computed again at once.
    kept, again = (
        needs.of(*pair, device) for pair in zip(networks, wanted, strict=True)
    )
    assert again.memory < kept.memory
    assert again.state == kept.state


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX says what it keeps")
def test_less_is_kept_for_the_gradients():
    import jax

    def kept(remat: bool) -> int:
        network = build.build(make(remat, "model.norm=instance"), CLASSES)
        states = [each.value for each in network.non_trainable_variables]

        def loss(trained, stack):
            outputs, _ = network.stateless_call(trained, states, stack, training=True)
            return (heads.named(outputs)["logits"] ** 2).mean()

        trained = [each.value for each in network.trainable_variables]
        stack = np.ones((4, 32, 32, 3), np.float32)
        # What goes backward holds all that it needs of the way forward.
        backward = jax.eval_shape(
            lambda *given: jax.vjp(loss, *given)[1], trained, stack
        )
        return sum(math.prod(each.shape) for each in jax.tree.leaves(backward))

    assert kept(remat=True) < 0.5 * kept(remat=False)
