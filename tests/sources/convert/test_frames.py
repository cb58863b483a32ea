"""Frames on a volume of 2 x 3 x 4 voxels, each named by where it lies."""

import itertools

import numpy as np
import pytest

from competition.sources.convert import frames

IDENTITY = np.eye(3)
# By place: stored index (i, j, k) towards left, back, head; 4 x 3 x 2 voxels.
STORED = np.arange(24).reshape(2, 3, 4)
TURNS = [
    np.eye(3)[:, order] * signs
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def stored_as(matrix):
    """The same body as STORED, kept along the axes that are the columns of `matrix`."""
    array = STORED.transpose(2, 1, 0)
    backwards = [axis for axis in range(3) if matrix[axis].sum() < 0]
    order = np.abs(matrix).argmax(axis=0)
    return np.flip(array, backwards).transpose(order).transpose(2, 1, 0)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("z", STORED),
        ("y", STORED.transpose(1, 0, 2)[:, ::-1]),
        ("x", STORED.transpose(2, 0, 1)[:, ::-1]),
    ],
)
def test_all_48_ways_to_store_a_body_give_the_same_slices(axis, expected):
    for matrix in TURNS:
        frame = frames.find(matrix.ravel(), axis)
        slices = frames.apply(stored_as(matrix), frame)
        np.testing.assert_array_equal(slices, expected)
        back = np.zeros_like(stored_as(matrix))
        frames.apply(back, frame)[:] = slices
        np.testing.assert_array_equal(back, stored_as(matrix))


def test_an_oblique_volume_is_sliced_along_its_nearest_axis():
    turn = np.radians(30)
    matrix = [
        [np.cos(turn), -np.sin(turn), 0],
        [np.sin(turn), np.cos(turn), 0],
        [0, 0, -1],
    ]
    assert frames.find(np.ravel(matrix), "z") == frames.Frame((0, 1, 2), (0,))


def test_spacing_follows_its_axis():
    frame = frames.find(IDENTITY.ravel(), "x")
    assert frames.spacing_mm((0.5, 1.5, 3.0), frame) == (0.5, 3.0, 1.5)


def test_an_axis_must_be_anatomical():
    with pytest.raises(ValueError, match=r"x \(left to right\).*Received: axis='q'"):
        frames.find(IDENTITY.ravel(), "q")
