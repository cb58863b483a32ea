"""The batch on the device: stacks are normalised and mask bits unpacked."""

import keras
import numpy as np
import pytest
from keras import ops

from competition.core.experiment import configs
from competition.net.augment import augment_params
from competition.net.input import resident_scans
from competition.net.networks import build
from competition.net.training import losses, step
from tests.net.conftest import CLASSES, TINY


def test_low_becomes_zero_high_one_and_what_lies_outside_is_clipped():
    stack = np.uint16([[[[50, 100, 350, 600, 9000]]]])
    normal = np.array(step.normalise(stack, np.float32([[100, 600]])))
    np.testing.assert_allclose(normal.ravel(), [0, 0, 0.5, 1, 1])


def test_every_sample_has_its_own_window():
    stack = np.full((2, 1, 1, 1), 300, np.uint16)
    normal = np.array(step.normalise(stack, np.float32([[100, 500], [0, 1200]])))
    np.testing.assert_allclose(normal.ravel(), [0.5, 0.25])


def test_every_slice_of_a_patch_has_its_own_window():
    stack = np.full((1, 2, 1, 2), 300, np.uint16)
    normal = np.array(step.normalise(stack, np.float32([[[100, 500], [0, 1200]]])))
    np.testing.assert_allclose(normal[0, :, 0], [[0.5, 0.25]] * 2)


def test_a_slice_of_one_value_becomes_zero():
    stack = np.full((1, 2, 2, 1), 7, np.uint16)
    normal = np.array(step.normalise(stack, np.float32([[7, 7]])))
    assert (normal == 0).all()


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 7), (np.uint16, 15)])
def test_bits_become_planes_and_the_highest_bit_is_not_lost(kind, top):
    bits = np.zeros((1, 1, 2), kind)
    bits[0, 0, 1] = 1 | 1 << top
    planes = np.array(step.unpack(bits, top + 1))
    assert planes.shape == (1, 1, 2, top + 1)
    assert np.flatnonzero(planes[0, 0, 0]).tolist() == []
    assert np.flatnonzero(planes[0, 0, 1]).tolist() == [0, top]


def test_the_network_sees_a_position_that_no_augmentation_changes():
    stack = keras.Input((4, 6, 4), name="stack")
    network = keras.Model(stack, keras.layers.Identity()(stack))
    losses_of = configs.load("smoke").loss
    model = step.TrainingStep(network, losses.build(losses_of))
    batch = {
        "stack": np.full((2, 4, 6, 3), 300, np.uint16),
        "bits": np.zeros((2, 4, 6), np.uint8),
        "window": np.float32([[100, 500], [100, 500]]),
        "tone": np.float32([[0.5, 1], [0.5, 1]]),
        "holes": np.tile(np.float32([[0, 2, 0, 6]]), (2, 1, 1)),
        "position": np.float32([0.25, 1]),
    }
    seen = ops.convert_to_numpy(model(batch, training=True)["logits"])
    assert (seen[:, :2, :, :3] == 0).all(), "holes"
    np.testing.assert_allclose(seen[:, 2:, :, :3], 0.25)
    assert (seen[0, ..., 3] == 0.25).all() and (seen[1, ..., 3] == 1).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its kernels")
def test_no_operation_of_a_step_leaves_the_gpu(table, store):
    import tensorflow as tf

    from tests.net import gpu_kernels

    limits = ("elastic", "tone", "bias", "blur", "noise", "holes", "cutmix", "mixup")
    changed = [f"augment.{name}=0.5" for name in limits]
    config = configs.load("smoke", (*TINY, *changed, "geometry.crop=[20, 24]"))
    config = config.model_copy(update={"position": True})
    frame = config.geometry.trained_size
    changes = augment_params.draw(config.augment, frame, [(0, 0, 0), (0, 0, 1)])
    batch = changes | {
        "window": np.zeros((2, 2), np.float32),
    }
    batch["position"] = np.zeros(2, np.float32)
    batch["corner"] = np.zeros((2, 2), np.int32)
    batch["numbers"] = np.zeros((2, 1 + len(config.slices)), np.int32)
    model = step.TrainingStep(
        build.build(config, CLASSES),
        losses.build(config.loss),
        scans=resident_scans.ResidentScans(table, store, config),
    )

    def loss(inputs):
        return model.compute_loss(None, None, model(inputs, training=True), None)

    specs = {k: tf.TensorSpec(v.shape, v.dtype) for k, v in batch.items()}
    assert gpu_kernels.on_the_host(loss, specs) == []
    # What the type of an index is chosen for.
    two = tf.TensorSpec((2,), "int32")
    listed = gpu_kernels.on_the_host(lambda x, y: x + y, two, two)
    assert "AddV2(int32, int32)" in listed
