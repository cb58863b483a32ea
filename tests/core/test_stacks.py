"""Gathering neighbours."""

import numpy as np

from competition.core import stacks


def volume(depth: int) -> np.ndarray:
    return np.arange(depth, dtype=np.uint16)[:, None, None] * np.ones(
        (1, 2, 3), "uint16"
    )


def test_neighbours_are_taken_in_the_order_of_the_offsets():
    stack = stacks.gather(volume(9), 4, [-2, 0, 3])
    assert stack.shape == (2, 3, 3)
    assert stack.dtype == np.uint16
    assert stack[0, 0].tolist() == [2, 4, 7]


def test_beyond_the_ends_the_nearest_slice_stands_in():
    assert stacks.gather(volume(9), 0, [-2, -1, 0, 1, 2])[0, 0].tolist() == [
        0,
        0,
        0,
        1,
        2,
    ]
    assert stacks.gather(volume(9), 8, [-1, 0, 1, 2])[0, 0].tolist() == [7, 8, 8, 8]


def test_a_scan_of_one_slice_is_its_own_neighbour():
    assert stacks.gather(volume(1), 0, [-2, 0, 2])[0, 0].tolist() == [0, 0, 0]


def test_one_slice_keeps_the_axis():
    assert stacks.gather(volume(9), 4, [1])[0, 0].tolist() == [5]


def test_a_given_array_is_filled():
    batch = np.zeros((2, 2, 3, 5), np.uint16)
    filled = stacks.gather(volume(9), 4, [-2, -1, 0, 1, 2], out=batch[1])
    assert np.shares_memory(filled, batch)
    assert batch[1, 1, 2].tolist() == [2, 3, 4, 5, 6]
    assert not batch[0].any()


def test_the_first_slice_has_the_position_0_the_last_1_and_a_lone_one_0():
    place = stacks.position(np.array([0, 2, 4, 0]), np.array([5, 5, 5, 1]))
    assert place.tolist() == [0, 0.5, 1, 0]
    assert place.dtype == np.float32
