"""The steps of the search, and the rules that they try."""

from competition.core import rules
from competition.core.experiment import configs
from competition.decide import candidates

NOTHING = (
    "decide.weights=[]", "decide.thresholds=[]", "decide.gates=[]",
    "decide.smooth=false", "decide.pixels=[]", "decide.voxels=[]",
    "decide.largest=[]", "decide.holes=false", "decide.fallback=false",
    "decide.stretch=[]",
)  # fmt: skip


def steps(*changes, **about):
    about = {"members": 1} | about
    return candidates.steps(configs.load("base", changes).decide, **about)


def test_a_step_without_values_is_left_out():
    assert list(steps()) == [
        "gate, first", "threshold", "gate", "smooth", "stretch", "pixels", "voxels",
        "largest", "holes", "threshold, finer",
    ]  # fmt: skip
    assert not steps(*NOTHING, members=2, has_gate=True)
    assert "gate" not in steps("decide.gates=[]")
    assert "holes" not in steps("decide.holes=false")


def test_only_a_gated_run_can_fall_back_on_its_gate():
    assert "fallback" not in steps()
    names = list(steps(has_gate=True))
    assert names.index("smooth") < names.index("fallback") < names.index("pixels")
    assert "fallback" not in steps("decide.fallback=false", has_gate=True)
    tried = steps(has_gate=True)["fallback"](rules.Rule(gate=(12, 0.6, 0.5)))
    assert tried == [rules.Rule(gate=(12, 0.6, 0.5), fallback=True)]


def test_steps_try_other_values_and_off():
    tried = steps()["pixels"](rules.Rule(pixels=10))
    assert [rule.pixels for rule in tried] == [0, 25, 50]
    assert steps()["smooth"](rules.Rule()) == [rules.Rule(smooth=True)]
    stretches = [rule.stretch for rule in steps()["stretch"](rules.Rule())]
    assert stretches == [5, 10]
    near = steps()["threshold, finer"](rules.Rule(0.3))
    assert [rule.threshold for rule in near] == [0.2, 0.25, 0.35, 0.4]


def test_each_member_is_tried_alone_before_others_join_it():
    by_name = steps(members=3)
    assert [*by_name][1:5] == ["one member", "weight 1", "weight 2", "weight 3"]
    alone = by_name["one member"](rules.Rule())
    assert [rule.weights for rule in alone] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    joined = by_name["weight 2"](alone[0])
    # With values of 0, 0.5 and 2 times the mean weight of the others, which is 0.5.
    assert [rule.weights for rule in joined] == [
        (1, 0, 0), (0.8, 0.2, 0), (0.5, 0.5, 0),
    ]  # fmt: skip


def test_a_members_weight_is_tried_beside_the_others():
    first = steps(members=2)["weight 1"](rules.Rule())
    assert [rule.weights for rule in first] == [
        (0.0, 1.0), (0.3333, 0.6667), (0.6667, 0.3333),
    ]  # fmt: skip
    # Any share of the other's weight, which is 0, would leave no weight at all.
    assert steps(members=2)["weight 2"](rules.Rule(weights=(0.0, 1.0))) == []
