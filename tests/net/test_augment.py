"""Image and mask move together, as one seed says."""

import numpy as np
import pytest
import tensorflow as tf

from competition.core import config
from competition.net import augment

BASE = {
    "engine": "host",
    "flip": 0.0,
    "affine": 1.0,
    "shift": 0.1,
    "scale": 0.2,
    "rotate_degrees": 20.0,
}


def limits(**changes: float) -> config.Augment:
    return config.Augment.model_validate(BASE | changes)


def landmark(channels: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A bright square away from the centre, and a mask of just that square."""
    bits = np.zeros((40, 48), np.uint8)
    bits[8:16, 28:38] = 5
    stack = np.repeat((bits * np.uint16(10_000))[..., None], channels, axis=-1)
    return stack, bits


@pytest.mark.parametrize("channels", [1, 3, 5, 9])
@pytest.mark.parametrize("seed", range(3))
def test_the_mask_stays_on_what_it_marks(channels, seed):
    stack, bits = landmark(channels)
    transform = augment.transform(limits(flip=0.5))
    moved, mask = augment.apply(transform, stack, bits, seed=(seed, 0, 0))
    assert moved.shape == stack.shape
    assert moved.dtype == np.uint16
    assert not np.array_equal(mask, bits)
    for channel in range(channels):
        bright = moved[..., channel] > 25_000
        assert (bright & (mask > 0)).sum() / (bright | (mask > 0)).sum() > 0.9


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_mask_bits_are_never_mixed(kind):
    stack, bits = landmark()
    bits[20:30, 5:15] = 2
    transform = augment.transform(limits())
    _, mask = augment.apply(transform, stack, bits.astype(kind), seed=(0, 0, 1))
    assert mask.dtype == kind
    assert set(np.unique(mask)) == {0, 2, 5}


def test_a_flip_alone_mirrors_left_and_right():
    stack, bits = landmark()
    transform = augment.transform(limits(flip=1.0, affine=0.0))
    moved, mask = augment.apply(transform, stack, bits, seed=(0, 0, 0))
    np.testing.assert_array_equal(moved, stack[:, ::-1])
    np.testing.assert_array_equal(mask, bits[:, ::-1])


def test_limits_of_zero_change_nothing():
    stack, bits = landmark()
    still = limits(shift=0.0, scale=0.0, rotate_degrees=0.0)
    transform = augment.transform(still)
    moved, mask = augment.apply(transform, stack, bits, seed=(0, 0, 0))
    np.testing.assert_array_equal(moved, stack)
    np.testing.assert_array_equal(mask, bits)


def test_the_seed_decides_whatever_the_transform_did_before():
    stack, bits = landmark()
    used, fresh = augment.transform(limits()), augment.transform(limits())
    augment.apply(used, stack, bits, seed=(0, 1, 2))
    once, _ = augment.apply(used, stack, bits, seed=(0, 3, 4))
    again, _ = augment.apply(fresh, stack, bits, seed=(0, 3, 4))
    other, _ = augment.apply(fresh, stack, bits, seed=(0, 4, 3))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_inside_map_it_does_what_it_does_eagerly():
    stack, bits = landmark()

    def moved(position: np.ndarray) -> np.ndarray:
        transform = augment.transform(limits())
        return augment.apply(transform, stack, bits, seed=(0, 0, int(position)))[0]

    mapped = tf.data.Dataset.range(6).map(
        lambda position: tf.numpy_function(moved, [position], tf.uint16),
        num_parallel_calls=2,
    )
    for position, image in enumerate(mapped.as_numpy_iterator()):
        np.testing.assert_array_equal(image, moved(np.int64(position)))
