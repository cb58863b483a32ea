"""Memory that is lent again once nobody holds it."""

import numpy as np
import tensorflow as tf

from competition.net.input import buffers


def test_what_is_held_is_not_lent_again():
    pool = buffers.Buffers((4, 3), np.uint16)
    first, second = pool.take(), pool.take()
    assert first.shape == (4, 3)
    assert first.dtype == np.uint16
    assert not np.shares_memory(first, second)


def test_what_was_let_go_is_lent_again():
    pool = buffers.Buffers((4,), np.uint8)
    address = pool.take().ctypes.data
    assert pool.take().ctypes.data == address


def test_a_view_holds_its_memory():
    pool = buffers.Buffers((4,), np.uint8)
    view = pool.take()[1:3]
    assert not np.shares_memory(pool.take(), view)


def test_a_tensor_holds_its_memory():
    pool = buffers.Buffers((64, 64), np.uint16)

    def fill(number: np.ndarray) -> np.ndarray:
        buffer = pool.take()
        buffer[:] = number
        return buffer

    stream = tf.data.Dataset.range(40).map(
        lambda number: tf.numpy_function(fill, [number], tf.uint16, stateful=False)
    )
    held = list(stream)
    assert [int(batch[5, 5]) for batch in held] == list(range(40))


def test_every_array_begins_where_tensorflow_wants_it():
    pool = buffers.Buffers((3, 5, 7), np.uint8)
    assert all(pool.take().ctypes.data % 64 == 0 for _ in range(5))
