"""Components and holes of masks, also against a naive flood fill."""

import itertools

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core.regions import components

volumes = arrays.arrays(
    bool, arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5)
)
OFFSETS = list(itertools.product((-1, 0, 1), repeat=3))


def flood(mask, *, flat):
    """The components of a mask as sets of voxels, found voxel by voxel."""
    left, found = set(map(tuple, np.argwhere(mask).tolist())), []
    steps = [step for step in OFFSETS if not (flat and step[0])]
    while left:
        component, edge = set(), {left.pop()}
        while edge:
            component |= edge
            near = {
                (z + dz, y + dy, x + dx) for z, y, x in edge for dz, dy, dx in steps
            }
            edge = near & left
            left -= edge
        found.append(component)
    return found


def draw(kept, shape):
    mask = np.zeros(shape, bool)
    for voxel in itertools.chain.from_iterable(kept):
        mask[voxel] = True
    return mask


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, strategies.integers(0, 12), strategies.booleans())
def test_dropping_small_ones_agrees_with_a_flood_fill(mask, size, flat):
    kept = [each for each in flood(mask, flat=flat) if len(each) >= size]
    dropped = components.drop_small(mask, size, flat=flat)
    assert (dropped == draw(kept, mask.shape)).all()


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, strategies.integers(1, 4))
def test_the_largest_are_as_large_as_those_of_a_flood_fill(mask, count):
    sizes = sorted(map(len, flood(mask, flat=False)), reverse=True)
    kept = components.keep_largest(mask, count)
    assert sorted(map(len, flood(kept, flat=False)), reverse=True) == sizes[:count]
    assert not (kept & ~mask).any()


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes)
def test_filling_keeps_the_mask_and_twice_is_once(mask):
    filled = components.fill_holes(mask)
    assert not (mask & ~filled).any()
    assert (components.fill_holes(filled) == filled).all()


def ring(height, width):
    mask = np.zeros((1, height + 2, width + 2), bool)
    mask[0, 1:-1, 1:-1] = True
    mask[0, 2:-2, 2:-2] = False
    return mask


def test_a_ring_becomes_a_disc():
    assert components.fill_holes(ring(4, 5)).sum() == 20


def test_a_ring_with_a_diagonal_gap_is_closed_and_an_open_one_is_not():
    diagonal = ring(4, 4)
    diagonal[0, 1, 1] = False
    assert components.fill_holes(diagonal).sum() == 15
    opened = ring(4, 4)
    opened[0, 1, 2] = False
    assert (components.fill_holes(opened) == opened).all()


def test_a_hole_at_the_edge_of_the_image_is_open():
    mask = ring(4, 4)[:, 2:]
    assert (components.fill_holes(mask) == mask).all()


def test_of_two_equal_components_the_first_is_kept():
    mask = np.array([[[1, 1, 0, 1, 1]]], bool)
    assert components.keep_largest(mask, 1).tolist() == [[[True, True] + [False] * 3]]


def test_in_a_slice_a_pixel_of_a_column_is_alone():
    mask = np.zeros((3, 4, 6), bool)
    mask[:, 0, 0] = True
    mask[1, 3, 4:] = True
    assert components.drop_small(mask, 2, flat=True).sum() == 2
    assert components.drop_small(mask, 3).sum() == 3
