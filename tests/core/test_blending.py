"""The predictions of members and gates, blended and decided on."""

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core import blending, probabilities, rules


def predictions(*members, gates=()):
    return blending.MemberPredictions(
        [probabilities.prediction(member) for member in members],
        [probabilities.prediction(gate).presence for gate in gates],
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


def test_presence_heads_replace_the_largest_probability():
    volume = np.full((2, 1, 1, 1), 255, np.uint8)
    rule = rules.Rule(gate=(0, 0.0, 0.5))
    heads = probabilities.prediction(volume, np.array([[0], [200]], np.uint8))
    decided = blending.decide(blending.MemberPredictions([heads]), [rule])
    assert decided.tolist() == [[[0]], [[1]]]
    assert decide(volume, rule).all()


def test_a_gate_decides_presence_alone():
    volume = np.full((3, 2, 2, 1), 255, np.uint8)
    gates = np.zeros((2, 3, 2, 2, 1), np.uint8)
    gates[:, 1] = [[[[200]]], [[[100]]]]  # 150 on average, in the middle slice
    gated = predictions(volume, gates=gates)
    decided = blending.decide(gated, [rules.Rule(gate=(0, 0.0, 0.55))])
    assert decided.any(axis=(1, 2)).tolist() == [False, True, False]
    assert not blending.decide(gated, [rules.Rule(gate=(0, 0.0, 0.6))]).any()
