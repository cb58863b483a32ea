"""The score against brute force over all voxels, and against geometry by hand."""

import json
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import directed_hausdorff

from competition.core import masks, metric
from competition.core.regions import distance

SHAPE = (4, 6, 8)
NAMES = ("large_bowel", "small_bowel", "stomach")


def volume(*boxes, shape=SHAPE):
    """A volume in which each box ((from, to) along each axis) is set."""
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[tuple(slice(*pair) for pair in box)] = True
    return mask


def voxel(z, y, x):
    return volume(((z, z + 1), (y, y + 1), (x, x + 1)))


def ball(radius, hollow=-1.0, shape=(30, 30, 30), shift=0.0):
    grid = np.indices(shape) - np.reshape(np.array(shape) / 2 + shift, (3, 1, 1, 1))
    distance = np.sqrt((grid**2).sum(axis=0))
    return (distance <= radius) & (distance > hollow)


def compare(truth, predicted):
    """The comparison of two masks (D, H, W) of one class."""
    bits = truth.astype(np.uint8), predicted.astype(np.uint8)
    return metric.measure(*bits, classes=1).by_class[0]


def hausdorff(one, other):
    """The distance in voxels: the normalised one times the volume's diagonal."""
    return compare(one, other).hausdorff_per_class * np.linalg.norm(one.shape)


def brute(one, other, spacing=(1, 1, 1)):
    first, second = np.argwhere(one) * spacing, np.argwhere(other) * spacing
    there, _, _ = directed_hausdorff(first, second)
    back, _, _ = directed_hausdorff(second, first)
    return max(there, back)


def naive_distance(truth, predicted, reading):
    """One volume's normalised distance; None where it is skipped."""
    if not truth.any() or not predicted.any():
        return 1.0 if truth.any() or predicted.any() else None
    shape = np.array(truth.shape)
    if reading == "per_class":
        return brute(truth, predicted) / math.sqrt((shape**2).sum())
    if predicted.sum() > 10 * truth.sum():
        return 1.0
    return brute(truth, predicted, 1 / shape) / math.sqrt(3)


def naive_score(scans, reading):
    """The score of {scan: (truth, predicted)}, each (D, H, W, C), pair by pair."""
    dices, distances = [], []
    for truth, predicted in scans.values():
        for c in range(truth.shape[-1]):
            for a, b in zip(truth[..., c], predicted[..., c], strict=True):
                if a.any() or b.any():
                    dices.append(2 * (a & b).sum() / (a.sum() + b.sum()))
            if reading == "per_class":
                pair = truth[..., c], predicted[..., c]
                distances.append(naive_distance(*pair, reading))
        if reading == "merged":
            merged = truth.any(axis=-1), predicted.any(axis=-1)
            distances.append(naive_distance(*merged, reading))
    distances = [distance for distance in distances if distance is not None]
    if not dices:
        return None
    return 0.4 * np.mean(dices) + 0.6 * (1 - np.mean(distances))


def summary(scans):
    measured = {
        scan: metric.measure(masks.pack(truth), masks.pack(predicted), classes=3)
        for scan, (truth, predicted) in scans.items()
    }
    return metric.summarise(measured, NAMES)


@st.composite
def pairs(draw, classes=()):
    """Two volumes of one shape: sparse, dense, or one grown from the other."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3)) + classes
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    one, other = (rng.random(shape) < draw(st.floats(0, 1)) ** 3 for _ in range(2))
    return (one, one | other) if draw(st.booleans()) else (one, other)


@pytest.mark.parametrize("few", [0, 2000], ids=["in cells", "all at once"])
@settings(max_examples=1200, deadline=None)
@given(pair=pairs())
def test_hausdorff_is_brute_force_over_all_voxels(few, pair):
    one, other = pair
    with mock.patch.object(distance, "FEW", few):
        received = compare(one, other).hausdorff_per_class
    expected = naive_distance(one, other, "per_class")
    expected = math.nan if expected is None else expected
    assert received == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(st.lists(pairs((3,)), min_size=1, max_size=3))
def test_the_whole_score_is_the_naive_one(volumes):
    scans = {f"case{i}_day0": pair for i, pair in enumerate(volumes)}
    received = summary(scans)
    for reading in ("per_class", "merged"):
        expected = naive_score(scans, reading)
        if expected is None:
            assert received[f"score_{reading}"] is None
        else:
            assert received[f"score_{reading}"] == pytest.approx(expected, abs=1e-9)


def test_a_measurement_is_the_same_after_json():
    # The second class is empty in both, so that values are NaN.
    measured = metric.measure(
        voxel(1, 2, 3).astype(np.uint8), voxel(1, 2, 5).astype(np.uint8), classes=2
    )
    values = json.loads(json.dumps(measured.to_json()))
    same = metric.ScanMeasurement.from_json(values)
    one, other = (metric.summarise({"a": m}, NAMES[:2]) for m in (measured, same))
    assert repr(one) == repr(other) and one["score_per_class"] is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ball(13, hollow=12), ball(9)),
        (ball(13, hollow=12), ball(14)),
        (ball(14), ball(4, shift=3)),
        (ball(20, shape=(12, 30, 24)), ball(6, shape=(12, 30, 24))),
        (ball(10), ball(10, shift=0.7)),
        (ball(99), ball(14, hollow=13)),
    ],
    ids=["apart", "hollow filled", "inside", "cut by the border", "near", "full"],
)
def test_both_readings_are_exact_where_the_farthest_voxel_is_searched(one, other):
    received = compare(one, other)
    for reading in ("per_class", "merged"):
        expected = naive_distance(one, other, reading)
        found = getattr(received, f"hausdorff_{reading}")
        assert found == pytest.approx(expected, abs=1e-9)


def test_the_farthest_voxel_may_be_an_inner_one():
    shell = volume(((0, 9), (0, 9), (0, 9)), shape=(9, 9, 9))
    shell[1:8, 1:8, 1:8] = False
    inside = volume(((1, 8), (1, 8), (1, 8)), shape=(9, 9, 9))
    assert hausdorff(shell, inside | shell) == pytest.approx(4)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (voxel(0, 0, 0), voxel(0, 0, 0), 0),
        (voxel(0, 0, 0), voxel(3, 0, 0), 3),
        (voxel(0, 0, 0), voxel(0, 3, 4), 5),
        (voxel(1, 1, 1), np.ones(SHAPE, bool), math.sqrt(4 + 16 + 36)),
        (volume(((0, 4), (0, 6), (0, 4))), volume(((0, 4), (0, 6), (0, 5))), 1),
    ],
)
def test_hausdorff_of_geometry_by_hand(one, other, expected):
    assert hausdorff(one, other) == pytest.approx(expected)
    assert hausdorff(other, one) == pytest.approx(expected)


def test_dice_of_geometry_by_hand():
    one = np.array([[[1, 1, 0], [0, 0, 0]]], bool)
    other = np.array([[[0, 1, 1], [1, 0, 0]]], bool)
    assert compare(one, other).dice == compare(one, other).dice_3d == 2 / 5
    assert compare(one, one).dice == 1
    assert compare(one, ~one).dice == 0
    assert math.isnan(compare(one & False, one & False).dice[0])


def test_a_slice_empty_in_both_is_skipped_and_a_false_one_is_zero():
    truth = volume(((0, 1), (0, 2), (0, 2)))
    predicted = truth | volume(((2, 3), (0, 2), (0, 2)))
    pair = compare(truth, predicted)
    np.testing.assert_array_equal(pair.dice, [1, np.nan, 0, np.nan])
    assert pair.dice_3d == pytest.approx(2 * 4 / 12)
    assert pair.hausdorff_per_class == pytest.approx(2 / math.sqrt(16 + 36 + 64))
    assert pair.hausdorff_merged == pytest.approx(2 / 4 / math.sqrt(3))


def row(*columns):
    """One slice of one row of 8 pixels, of which these columns are set."""
    mask = np.zeros((1, 1, 8), np.uint8)
    mask[..., list(columns)] = 1
    return mask


@pytest.mark.parametrize(
    ("truth", "predicted", "dice", "iou"),
    [
        (row(), row(), math.nan, math.nan),
        (row(0, 1), row(), 0, 0),
        (row(), row(0, 1), 0, 0),
        (row(0, 1, 2), row(0, 1, 2), 1, 1),
        (row(0, 1, 2, 3), row(0, 1), 4 / 6, 1 / 2),
        (row(0, 1), row(1, 2), 1 / 2, 1 / 3),
    ],
    ids=["both empty", "none predicted", "no truth", "equal", "half", "overlap"],
)
def test_iou_is_the_common_part_of_the_union(truth, predicted, dice, iou):
    pair = compare(truth, predicted)
    np.testing.assert_allclose([pair.dice[0], pair.iou[0]], [dice, iou])
    np.testing.assert_allclose([pair.dice_3d, pair.iou_3d], [dice, iou])


@settings(max_examples=200, deadline=None)
@given(pairs())
def test_iou_follows_from_dice_in_every_row(pair):
    one = compare(*pair)
    np.testing.assert_allclose(one.iou, one.dice / (2 - one.dice))
    np.testing.assert_allclose(one.iou_3d, one.dice_3d / (2 - one.dice_3d))


def test_iou_is_pooled_as_dice_is_and_skips_what_is_empty_in_both():
    # Slice 0 is predicted by half, slice 1 wrongly; slices 2 and 3 are empty.
    truth = volume(((0, 1), (0, 2), (0, 2)))
    predicted = volume(((0, 1), (0, 1), (0, 2)), ((1, 2), (0, 1), (0, 2)))
    nothing = np.zeros(SHAPE, bool)
    half = (
        np.stack([truth, nothing, nothing], axis=-1),
        np.stack([predicted, nothing, nothing], axis=-1),
    )
    scores = summary({"a": half, "b": (half[0], half[0])})
    assert scores["by_scan"]["a"]["large_bowel"]["iou"] == (1 / 2 + 0) / 2
    assert scores["by_scan"]["a"]["large_bowel"]["iou_3d"] == pytest.approx(2 / 6)
    assert scores["by_scan"]["b"]["large_bowel"]["iou"] == 1
    assert scores["by_scan"]["a"]["stomach"]["iou"] is None
    assert scores["by_class"]["stomach"]["iou_3d"] is None
    for result in (scores, scores["by_class"]["large_bowel"]):
        assert result["iou"] == pytest.approx((1 / 2 + 0 + 1) / 3)
        assert result["iou_3d"] == pytest.approx((2 / 6 + 1) / 2)


def test_papers_count_what_is_empty_in_both_as_a_dice_of_one():
    # Slice 0 is missed, the other 3 are empty in both; of the other class all 4 are.
    truth = volume(((0, 1), (0, 2), (0, 2)))
    nothing = np.zeros(SHAPE, bool)
    scores = summary(
        {"a": (np.stack([truth, nothing, nothing], -1), np.stack([nothing] * 3, -1))}
    )
    depth = SHAPE[0]
    assert scores["dice"] == 0
    assert scores["dice_with_empty"] == pytest.approx((3 * depth - 1) / (3 * depth))
    of_class = scores["by_class"]["stomach"]
    assert (of_class["dice"], of_class["dice_with_empty"]) == (None, 1)
    assert metric.summarise({}, ["stomach"])["dice_with_empty"] is None


def test_merged_is_one_beyond_ten_times_the_truth():
    truth = volume(((0, 1), (0, 1), (0, 1))).astype(np.uint8)
    ten = volume(((0, 1), (0, 2), (0, 5))).astype(np.uint8)
    eleven = ten | volume(((0, 1), (2, 3), (0, 1)))
    assert metric.measure(truth, ten, classes=1).hausdorff_merged < 1
    assert metric.measure(truth, eleven, classes=1).hausdorff_merged == 1


def test_a_perfect_prediction_scores_one_and_an_empty_one_has_no_score():
    full = {"case1_day0": (np.ones((*SHAPE, 3), bool),) * 2}
    assert summary(full)["score_per_class"] == summary(full)["score_merged"] == 1
    empty = summary({"case1_day0": (np.zeros((*SHAPE, 3), bool),) * 2})
    nothing = empty["by_class"]["stomach"]
    assert nothing.pop("dice_with_empty") == 1 and nothing.pop("slices") == 0
    assert set(nothing.values()) == {None}
    assert metric.summarise({}, NAMES)["score_per_class"] is None


def test_scores_come_pooled_by_class_and_by_scan():
    organ, nothing = voxel(0, 0, 0), np.zeros(SHAPE, bool)
    truth = np.stack([organ, organ, nothing], axis=-1)
    predicted = np.stack([organ, nothing, nothing], axis=-1)
    scores = summary({"a": (truth, predicted), "b": (truth, truth)})
    assert scores["dice"] == scores["dice_3d"] == pytest.approx(3 / 4)
    assert scores["hausdorff_per_class"] == pytest.approx(1 / 4)
    assert scores["hausdorff_merged"] == 0
    assert scores["score_per_class"] == pytest.approx(0.4 * 0.75 + 0.6 * 0.75)
    assert scores["score_merged"] == pytest.approx(0.4 * 0.75 + 0.6)
    assert scores["iou"] == scores["iou_3d"] == pytest.approx(3 / 4)
    assert scores["by_class"]["small_bowel"]["dice"] == 0.5
    assert scores["by_class"]["small_bowel"]["hausdorff_merged"] == 0.5
    assert scores["by_scan"]["a"]["small_bowel"]["score_per_class"] == 0
    assert scores["by_scan"]["b"]["stomach"]["score_merged"] is None


@example(np.zeros((3, 4, 5), np.uint16), 12)
@given(
    arrays.arrays(np.uint16, (3, 4, 5), elements=st.integers(0, 2**12 - 1)),
    st.integers(1, 12),
)
@settings(max_examples=20, deadline=None)
def test_each_of_many_classes_is_measured_as_it_is_alone(bits, classes):
    predicted = np.roll(bits, 1, axis=2)
    received = metric.measure(bits, predicted, classes=classes)
    alone = [
        compare(masks.plane(bits, index), masks.plane(predicted, index))
        for index in range(classes)
    ]
    assert repr(received.by_class) == repr(tuple(alone))


def test_volumes_of_two_shapes_are_an_error():
    small, large = np.zeros(SHAPE, np.uint8), np.zeros((5, 6, 8), np.uint8)
    message = r"one shape\. Received: truth \(4, 6, 8\), prediction \(5, 6, 8\)"
    with pytest.raises(ValueError, match=message):
        metric.measure(small, large, classes=1)
