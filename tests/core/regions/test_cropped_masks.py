"""Organs cut out of a scan by hand: boxes, counts, borders."""

import hypothesis
import numpy as np
import pytest
from hypothesis.extra import numpy as arrays

from competition.core.regions import cropped_masks

SHAPE = (4, 6, 8)
volumes = arrays.arrays(
    bool, arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5)
)


def bits(*boxes):
    """Mask bits in which each (from corner, to corner, value) is added."""
    volume = np.zeros(SHAPE, np.uint8)
    for low, high, value in boxes:
        volume[cropped_masks.box(np.array(low), np.array(high))] |= np.uint8(value)
    return volume


def whole(organ):
    """The organ put back into a volume of its scan's shape."""
    return organ.window(np.zeros(3, int), np.array(organ.shape))


def test_every_class_is_cut_to_its_box_and_all_to_theirs():
    volume = bits(((0, 1, 1), (2, 3, 4), 1), ((1, 2, 3), (3, 6, 8), 4))
    (first, second, third), merged = cropped_masks.cut(volume, 3)
    assert (first.low.tolist(), first.high.tolist()) == ([0, 1, 1], [2, 3, 4])
    assert second.empty
    assert (third.low.tolist(), third.high.tolist()) == ([1, 2, 3], [3, 6, 8])
    assert (merged.low.tolist(), merged.high.tolist()) == ([0, 1, 1], [3, 6, 8])
    assert first.counts.tolist() == [6, 6, 0, 0]
    # They share one voxel of slice 1.
    assert merged.counts.tolist() == [6, 6 + 20 - 1, 20, 0]
    for index, organ in enumerate((first, second, third)):
        np.testing.assert_array_equal(whole(organ), (volume >> index) & 1)
    np.testing.assert_array_equal(whole(merged), volume > 0)


def test_one_class_alone_is_all():
    (organ,), merged = cropped_masks.cut(bits(((0, 0, 0), (1, 1, 1), 1)), 1)
    assert organ is merged


def test_an_absent_class_is_an_empty_organ():
    (organ,), _ = cropped_masks.cut(bits(), 1)
    assert organ.empty
    assert organ.counts.tolist() == [0, 0, 0, 0]
    assert not whole(organ).any()


def test_common_pixels_are_counted_by_slice():
    cut = [
        cropped_masks.cut(bits((low, high, 1)), 1)[1]
        for low, high in (((0, 0, 0), (3, 2, 2)), ((1, 1, 1), (4, 6, 8)))
    ]
    assert cropped_masks.common(*cut).tolist() == [0, 1, 1, 0]
    nothing = cropped_masks.cut(bits(), 1)[1]
    assert cropped_masks.common(cut[0], nothing).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("low", "high", "border"),
    [
        ((1, 1, 1), (2, 2, 2), 1),
        ((0, 1, 1), (3, 4, 4), 3 * 9 - 2),
        ((0, 0, 0), (4, 6, 8), 0),
        ((0, 0, 0), (4, 6, 3), 4 * 6),
    ],
    ids=["a voxel", "at the first slice", "the full volume", "half of it"],
)
def test_the_border_voxels_have_a_neighbour_outside(low, high, border):
    organ = cropped_masks.cut(bits((low, high, 1)), 1)[1]
    assert organ.tree((1.0, 1.0, 1.0)).n == border


def test_a_tree_is_built_once_for_each_spacing():
    organ = cropped_masks.cut(bits(((1, 1, 1), (3, 3, 3), 1)), 1)[1]
    assert organ.tree((1.0, 1.0, 1.0)) is organ.tree((1.0, 1.0, 1.0))
    assert organ.tree((2.0, 1.0, 1.0)) is not organ.tree((1.0, 1.0, 1.0))
    assert organ.tree((2.0, 1.0, 1.0)).data.max(axis=0).tolist() == [4, 2, 2]


def test_spread_adds_six_neighbours():
    mask = bits(((1, 1, 1), (2, 2, 2), 1)) > 0
    assert cropped_masks.spread(mask).sum() == 7
    corner = bits(((0, 0, 0), (1, 1, 1), 1)) > 0
    assert cropped_masks.coordinates(cropped_masks.spread(corner)).tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [1, 0, 0],
    ]


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes)
def test_the_box_holds_all_and_no_more(mask):
    inside = cropped_masks.bounding_box(mask)
    assert mask[inside].sum() == mask.sum()
    for axis, part in enumerate(inside):
        sides = np.moveaxis(mask[inside], axis, 0)
        assert not mask.any() or (sides[0].any() and sides[-1].any())
        assert part.stop - part.start == mask[inside].shape[axis]


@hypothesis.given(volumes)
def test_a_mask_at_a_corner_is_cropped_as_the_whole_volume_is(mask):
    corner = np.array([2, 0, 3])
    volume = np.zeros((8, 6, 9), bool)
    volume[cropped_masks.box(corner, corner + mask.shape)] = mask
    expected = cropped_masks.cut(volume.astype(np.uint8), 1)[1]
    received = cropped_masks.crop(mask, corner=corner, shape=volume.shape)
    assert received.shape == expected.shape
    for name in ("mask", "low", "high", "counts"):
        np.testing.assert_array_equal(
            getattr(received, name), getattr(expected, name), strict=True
        )
