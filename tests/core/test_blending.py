"""The predictions of members and gates, blended and decided on."""

import weakref

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core import blending, probabilities, rules


def predictions(*members, gates=()):
    return blending.MemberPredictions(
        [probabilities.prediction(member) for member in members],
        blending.mean_of_gates(map(probabilities.prediction, gates), len(gates)),
    )


def decide(volume, *class_rules):
    """Decide on a single member's probabilities (D, H, W, C)."""
    return blending.decide(predictions(volume), class_rules)


volumes = arrays.arrays(np.uint8, (2, 3, 4, 2))


def test_the_mean_is_weighted_and_rounded():
    first, second = np.array([0, 100], np.uint8), np.array([200, 101], np.uint8)
    assert blending.mean([first, second]).tolist() == [100, 100]
    assert blending.mean([first, second], (3.0, 1.0)).tolist() == [50, 100]
    assert blending.mean([first, second], (0.25, 0.75)).tolist() == [150, 101]


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, volumes)
def test_a_member_of_weight_0_has_no_say(first, second):
    rule = rules.Rule(gate=(1, 0.4, 0.6))
    weighted = [rules.Rule(gate=rule.gate, weights=(1.0, 0.0))] * 2
    blended = blending.decide(predictions(first, second), weighted)
    assert (blended == decide(first, rule, rule)).all()


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, strategies.integers(1, 4))
def test_a_blend_of_the_same_is_the_same(volume, members):
    blended = blending.decide(predictions(*[volume] * members), [rules.Rule()] * 2)
    assert (blended == decide(volume, rules.Rule(), rules.Rule())).all()


def test_each_class_has_its_rule_and_classes_may_overlap():
    volume = np.full((1, 1, 2, 2), 128, np.uint8)
    assert decide(volume, rules.Rule(0.5), rules.Rule(0.6)).tolist() == [[[1, 1]]]
    assert decide(volume, rules.Rule(0.5), rules.Rule(0.4)).tolist() == [[[3, 3]]]


@hypothesis.settings(deadline=None)
@hypothesis.given(
    volumes, volumes, strategies.floats(0.05, 0.95), strategies.booleans()
)
def test_exclusive_classes_never_overlap(first, second, threshold, holes):
    members = [probabilities.prediction(each) for each in (first, second)]
    exclusive = blending.MemberPredictions(members, exclusive=True)
    weighted = [
        rules.Rule(threshold, holes=holes, weights=weights)
        for weights in ((0.9, 0.1), (0.2, 0.8))
    ]
    assert (blending.decide(exclusive, weighted) < 3).all()


def test_of_exclusive_classes_a_pixel_gets_the_most_probable_one_or_none():
    shares = [[0.45, 0.4], [0.2, 0.3], [0.1, 0.6], [0.49, 0.0], [0.0, 0.0]]
    volume = np.uint8([[np.rint(np.multiply(shares, 255))]])
    exclusive = blending.MemberPredictions(
        [probabilities.prediction(volume)], exclusive=True
    )
    halves = [rules.Rule(), rules.Rule()]
    assert blending.decide(exclusive, halves).tolist() == [[[1, 0, 2, 0, 0]]]
    lower = [rules.Rule(0.3), rules.Rule(0.3)]
    assert blending.decide(exclusive, lower).tolist() == [[[1, 2, 2, 1, 0]]]


def test_a_hole_of_two_exclusive_classes_is_given_to_one_of_them():
    volume = np.zeros((1, 7, 7, 3), np.uint8)
    volume[..., 1] = 255
    volume[:, 2:5, 2:5] = [0, 0, 255]
    volume[:, 3, 3] = 0
    exclusive = blending.MemberPredictions(
        [probabilities.prediction(volume)], exclusive=True
    )
    decided = blending.decide(exclusive, [rules.Rule(holes=True)] * 3)
    assert decided[0, 3].tolist() == [2, 2, 4, 2, 4, 2, 2]


@hypothesis.settings(deadline=None)
@hypothesis.given(arrays.arrays(np.uint8, (2, 3, 4, 1)), strategies.floats(0, 1))
def test_a_single_class_is_the_same_where_it_is_exclusive(volume, threshold):
    members = [probabilities.prediction(volume)]
    exclusive = blending.MemberPredictions(members, exclusive=True)
    rule = [rules.Rule(threshold)]
    assert (blending.decide(exclusive, rule) == decide(volume, *rule)).all()


def test_presence_heads_replace_the_largest_probability():
    volume = np.full((2, 1, 1, 1), 255, np.uint8)
    rule = rules.Rule(gate=(0, 0.0, 0.5))
    heads = probabilities.prediction(volume, np.array([[0], [200]], np.uint8))
    decided = blending.decide(blending.MemberPredictions([heads]), [rule])
    assert decided.tolist() == [[[0]], [[1]]]
    assert decide(volume, rule).all()


def gated():
    """Return a member that is sure of all 3 slices, and 2 gates of the middle one."""
    volume = np.full((3, 2, 2, 1), 255, np.uint8)
    gates = np.zeros((2, 3, 2, 2, 1), np.uint8)
    gates[:, 1] = [[[[200]]], [[[100]]]]  # 150 on average
    return predictions(volume, gates=gates)


def test_the_mean_presence_of_the_gates_decides_not_the_members():
    decided = blending.decide(gated(), [rules.Rule(gate=(0, 0.0, 0.55))])
    assert decided.any(axis=(1, 2)).tolist() == [False, True, False]
    assert not blending.decide(gated(), [rules.Rule(gate=(0, 0.0, 0.6))]).any()


def test_the_pixels_that_a_gate_counts_are_its_own():
    decided = blending.decide(gated(), [rules.Rule(gate=(4, 0.55, 0.0))])
    assert decided.any(axis=(1, 2)).tolist() == [False, True, False]
    assert not blending.decide(gated(), [rules.Rule(gate=(5, 0.55, 0.0))]).any()
    assert not blending.decide(gated(), [rules.Rule(gate=(4, 0.6, 0.0))]).any()


def test_a_rule_without_a_gate_ignores_the_gates():
    assert blending.decide(gated(), [rules.Rule(fallback=True)]).all()


def test_the_mean_of_gates_holds_one_of_them_at_a_time():
    held = []

    def read():
        for value in (10, 20, 60):
            volume = np.full((2, 3, 4, 1), value, np.uint8)
            held.append(weakref.ref(volume))
            # Python holds the last one until the next is made.
            assert sum(each() is not None for each in held) <= 2
            yield probabilities.prediction(volume)
            del volume

    mean = blending.mean_of_gates(read(), 3)
    assert (mean.probability == 30).all() and (mean.presence == 30).all()
    assert blending.mean_of_gates(iter(()), 0) is None


def first_place(drawers, gates, threshold):
    """Return the mask of one class by the first place's rule, slice by slice."""
    decided = []
    for drawn, seen in zip(drawers.mean(axis=0), gates.mean(axis=0), strict=True):
        drawn, seen = np.rint(drawn), np.rint(seen)
        mask = drawn >= threshold * 255
        if np.count_nonzero(seen > 0.6 * 255) < 12:
            mask = np.zeros_like(mask)
        elif not mask.any():
            mask = seen >= threshold * 255
        decided.append(mask)
    return np.stack(decided)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(
    strategies.integers(0, 2**32 - 1), strategies.sampled_from([0.4, 0.5])
)
def test_the_rule_of_the_first_place_can_be_said(seed, threshold):
    rng = np.random.default_rng(seed)
    # Each slice has a level of its own, so that all cases of the rule occur.
    levels = rng.uniform(0, 1, (2, 12, 1, 1))
    volumes = rng.uniform(0, 255, (5, 12, 6, 7))
    drawers = np.uint8(volumes[:2] * levels[0])
    gates = np.uint8(255 - (255 - volumes[2:]) * levels[1])
    gates[:, ::4] //= 3
    decided = blending.decide(
        predictions(*drawers[..., None], gates=gates[..., None]),
        [rules.Rule(threshold, gate=(12, 0.6, 0.5), fallback=True)],
    )
    expected = first_place(drawers, gates, threshold)
    np.testing.assert_array_equal(decided.astype(bool), expected)
    hypothesis.target(float(expected.any(axis=(1, 2)).sum()))
