"""Where patches lie, and that their weights are shares of a whole."""

import numpy as np
import pytest

from competition.net.volumetric import patches


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        (8, 8, [0]),
        (5, 8, [0]),
        (12, 8, [0, 4]),
        (16, 8, [0, 4, 8]),
        # Evenly, rather than a last one that hardly moves.
        (9, 8, [0, 1]),
        (13, 8, [0, 2, 5]),
        (3, 1, [0, 1, 2]),
    ],
)
def test_patches_cover_a_side_and_share_at_least_half(size, patch, expected):
    assert patches.starts(size, patch) == expected


def test_the_weights_of_two_patches_by_hand():
    # Places 0..5, patches of 4 from 0 and 2; the standard deviation is half a place.
    near, far = np.exp(-0.5), np.exp(-4.5)
    share = far / (near + far)
    assert patches.starts(6, 4) == [0, 2]
    expected = [[1, 1, 1 - share, share], [share, 1 - share, 1, 1]]
    np.testing.assert_allclose(patches.weights(6, 4), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "patch"), [((7, 20, 33), (4, 16, 16)), ((3, 16, 17), (8, 16, 5))]
)
def test_at_every_voxel_all_weights_sum_to_one(shape, patch):
    total = np.zeros([max(pair) for pair in zip(shape, patch, strict=True)])
    for (z, deep), (y, high), (x, wide) in patches.cover(shape, patch):
        weight = deep[:, None, None] * high[:, None] * wide
        total[z : z + len(deep), y : y + len(high), x : x + len(wide)] += weight
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_patches_come_in_the_order_of_the_slices():
    covering = patches.cover((12, 8, 9), (8, 8, 8))
    places = [tuple(place for place, _ in sides) for sides in covering]
    assert places == [(0, 0, 0), (0, 0, 1), (4, 0, 0), (4, 0, 1)]


@pytest.mark.parametrize(
    ("place", "first"), [(0, 0), (3, 0), (5, 1), (10, 6), (11, 6), (13, 6)]
)
def test_a_patch_lies_about_a_place_as_nearly_as_it_fits(place, first):
    assert patches.start_around(place, 14, 8) == first


def test_a_patch_larger_than_the_side_begins_with_it():
    assert patches.start_around(2, 3, 8) == 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_small_organ_is_in_the_middle_as_often_as_a_large_one(kind):
    bits = np.zeros((40, 40), kind)
    bits[10:30, 10:30] = 1
    bits[20, 24] |= 4
    corners = [
        patches.corner(lambda: bits, (8, 8), (40, 40), centred=1.0, seed=(0, 0, number))
        for number in range(200)
    ]
    # A pixel of the large one is drawn in one of 400 times.
    assert 80 < corners.count([16, 20]) < 120
    assert corners[7] == patches.corner(
        lambda: bits, (8, 8), (40, 40), centred=1.0, seed=(0, 0, 7)
    )
