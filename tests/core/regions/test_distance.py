"""The search for the farthest voxel, where metric's own tests do not look."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff

from competition.core.regions import cropped_masks, distance

SHAPE = (20, 40, 50)


def organ(mask):
    return cropped_masks.cut(mask.astype(np.uint8), 1)[1]


def box(low, high):
    mask = np.zeros(SHAPE, bool)
    mask[cropped_masks.box(np.array(low), np.array(high))] = True
    return mask


def both_ways(one, other, spacing):
    first, second = np.argwhere(one) * spacing, np.argwhere(other) * spacing
    return max(
        directed_hausdorff(*pair)[0] for pair in ((first, second), (second, first))
    )


@pytest.mark.parametrize("spacing", [distance.VOXELS, (3.0, 1.5, 1.0), (0.1, 1, 10)])
@pytest.mark.parametrize("seed", range(6))
def test_any_spacing_is_exact_at_every_level_of_the_search(seed, spacing, monkeypatch):
    # So that all go through cells of 8, 4, 2 and 1.
    monkeypatch.setattr(distance, "FEW", 0)
    random = np.random.default_rng(seed)
    low = random.integers(0, 8, 3)
    one = box(low, low + random.integers(1, 12, 3))
    other = box(low + 3, low + random.integers(4, 30, 3)) | (
        random.random(SHAPE) < 1e-4
    )
    received = distance.hausdorff(organ(one), organ(other), spacing)
    assert received == pytest.approx(both_ways(one, other, spacing), abs=1e-9)
    assert distance.hausdorff(organ(other), organ(one), spacing) == received


def test_equal_organs_have_no_distance():
    mask = box((2, 3, 4), (9, 9, 9))
    assert distance.hausdorff(organ(mask), organ(mask), distance.VOXELS) == 0


def test_a_move_by_n_columns_is_n_columns():
    mask = box((2, 3, 4), (9, 12, 16))
    for columns in (1, 2, 5):
        moved = np.roll(mask, columns, axis=2)
        for spacing in (distance.VOXELS, (3.0, 1.5, 1.5)):
            received = distance.hausdorff(organ(mask), organ(moved), spacing)
            assert received == pytest.approx(columns * spacing[2])


def test_a_neighbour_counts_where_it_is_the_farthest():
    mask = box((2, 3, 4), (9, 12, 16))
    more = mask | box((9, 3, 4), (10, 4, 5))
    spacing = (7.0, 1.0, 1.0)
    assert distance.hausdorff(organ(mask), organ(more), spacing) == 7


def test_a_tree_is_asked_by_all_processors(monkeypatch):
    asked = []
    one, other = organ(box((0, 0, 0), (20, 40, 2))), organ(box((0, 0, 0), SHAPE))

    class Tree:
        def query(self, points, workers):
            asked.append(workers)
            return np.zeros(len(points)), None

    monkeypatch.setattr(cropped_masks.CroppedMask, "tree", lambda *_: Tree())
    distance.hausdorff(one, other, distance.VOXELS)
    assert asked[0] == -1


def surfaces_apart(one, other, spacing):
    """The mean distance of surfaces, from all pairs of their voxels."""
    first, second = (
        np.argwhere(mask & ~ndimage.binary_erosion(mask)) * spacing
        for mask in (one, other)
    )
    pairs = cdist(first, second)
    return (pairs.min(axis=0).mean() + pairs.min(axis=1).mean()) / 2


@pytest.mark.parametrize("spacing", [distance.VOXELS, (3.0, 1.5, 1.0)])
@pytest.mark.parametrize("seed", range(4))
def test_the_mean_distance_of_surfaces_is_that_of_all_pairs(seed, spacing):
    random = np.random.default_rng(seed)
    low = random.integers(0, 8, 3)
    one = box(low, low + random.integers(3, 12, 3))
    # It reaches the ends of the volume.
    other = box(low + 1, SHAPE) & (random.random(SHAPE) < 0.9)
    received = distance.mean_surface(organ(one), organ(other), spacing)
    assert received == pytest.approx(surfaces_apart(one, other, spacing))
    assert distance.mean_surface(organ(other), organ(one), spacing) == received
    assert distance.mean_surface(organ(one), organ(one), spacing) == 0


def test_the_surface_in_a_single_slice_is_its_outline():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 2:7, 2:7] = True
    inner = np.zeros_like(mask)
    inner[0, 3:6, 3:6] = True
    outline = cropped_masks.surface(organ(mask))
    assert len(outline) == 16 and set(outline[:, 0]) == {0}
    received = distance.mean_surface(organ(mask), organ(inner), distance.VOXELS)
    # From the corners of the outer one it is the square root of 2.
    assert received == pytest.approx((1 + (12 + 4 * np.sqrt(2)) / 16) / 2)
