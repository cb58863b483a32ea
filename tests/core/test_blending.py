"""The predictions of members and gates, blended and decided on."""

import hypothesis
import numpy as np
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core import blending, probabilities, rules


def predictions(*members, gates=()):
    return blending.combine(
        [probabilities.prediction(member) for member in members],
        [probabilities.prediction(gate) for gate in gates],
    )


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
    alone = blending.decide(predictions(first), [rule] * 2)
    assert (blended == alone).all()
    assert (alone == rules.apply(first, [rule] * 2)).all()


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, strategies.integers(1, 4))
def test_a_blend_of_the_same_is_the_same(volume, members):
    blended = blending.decide(predictions(*[volume] * members), [rules.Rule()] * 2)
    assert (blended == rules.apply(volume, [rules.Rule()] * 2)).all()


def test_a_gate_decides_presence_alone():
    volume = np.full((3, 2, 2, 1), 255, np.uint8)
    gates = np.zeros((2, 3, 2, 2, 1), np.uint8)
    gates[:, 1] = [[[[200]]], [[[100]]]]  # 150 on average, in the middle slice
    gated = predictions(volume, gates=gates)
    decided = blending.decide(gated, [rules.Rule(gate=(0, 0.0, 0.55))])
    assert decided.any(axis=(1, 2)).tolist() == [False, True, False]
    assert not blending.decide(gated, [rules.Rule(gate=(0, 0.0, 0.6))]).any()
