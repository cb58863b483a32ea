"""From probabilities to masks."""

import json
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from competition.core import files, probabilities, rules

volumes = arrays.arrays(np.uint8, (4, 5, 6))
shares = strategies.sampled_from([0.2, 0.35, 0.5, 0.8])


def decide(probability, rule, gate=None):
    """Decide one class whose presence is the largest probability of each slice."""
    seen = probability if gate is None else gate
    return rules.decide(rules.Evidence(probability, seen, seen.max(axis=(1, 2))), rule)


def test_the_threshold_is_met_or_passed():
    probability = probabilities.quantise(np.array([[[0.39, 0.41, 1.0]]]))
    decided = decide(probability, rules.Rule(threshold=0.4))
    assert decided.tolist() == [[[False, True, True]]]


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, shares, shares)
def test_a_higher_threshold_never_adds_a_pixel(probability, one, other):
    low, high = sorted([one, other])
    wide = decide(probability, rules.Rule(threshold=low))
    assert not (decide(probability, rules.Rule(threshold=high)) & ~wide).any()


@hypothesis.settings(deadline=None)
@hypothesis.given(volumes, shares, strategies.integers(0, 9))
def test_a_gate_empties_whole_slices_and_touches_no_other(probability, q, pixels):
    free = decide(probability, rules.Rule())
    gated = decide(probability, rules.Rule(gate=(pixels, q, q)))
    for before, after in zip(free, gated, strict=True):
        assert not after.any() or (after == before).all()


def test_each_part_of_a_rule_does_its_own():
    probability = np.zeros((5, 7, 20), np.uint8)
    probability[:, 1:6, 1:6] = 200
    probability[:, 3, 3] = 0  # a hole
    probability[:3, 1:5, 9:12] = 200  # 36 voxels
    probability[0, 1:3, 15] = 200  # 2 pixels, one slice
    sizes = {
        rule: int(decide(probability, rule).sum())
        for rule in (
            rules.Rule(),
            rules.Rule(pixels=3),
            rules.Rule(voxels=40),
            rules.Rule(largest=2),
            rules.Rule(holes=True),
            rules.Rule(gate=(25, 0.5, 0.5)),
            rules.Rule(pixels=3, largest=1, holes=True),
        )
    }
    assert list(sizes.values()) == [158, 156, 120, 156, 163, 110, 125]


def test_without_a_gate_the_presence_of_the_mask_is_smoothed():
    probability = np.zeros((9, 2, 2), np.uint8)
    probability[[1, 4, 5, 6]] = 255
    decided = decide(probability, rules.Rule(smooth=True))
    assert decided.any(axis=(1, 2)).nonzero()[0].tolist() == [4, 5, 6]


def slices(*values):
    """Make slices of 2 x 2 pixels, all of one value."""
    return np.repeat(np.uint8(values), 4).reshape(-1, 2, 2)


def test_a_slice_that_is_open_and_not_drawn_takes_the_gates_mask():
    drawn, gate = slices(200, 0, 0, 200), slices(255, 255, 100, 0)
    gate[1, 0] = 0
    opened, taken = rules.Rule(gate=(1, 0.3, 0.0)), [4, 2, 0, 0]
    decided = decide(drawn, rules.Rule(gate=(1, 0.3, 0.0), fallback=True), gate)
    assert decided.sum(axis=(1, 2)).tolist() == taken, "above the threshold, not 0.3"
    assert decide(drawn, opened, gate).sum(axis=(1, 2)).tolist() == [4, 0, 0, 0]


def test_smoothing_opens_and_closes_slices_before_the_gates_mask_is_taken():
    drawn, gate = slices(200, 200, 0, 200, 200, 0, 0), slices(*[255] * 5, 0, 0)
    gate[2] = 0, 140
    rule = rules.Rule(gate=(3, 0.5, 0.0), fallback=True, smooth=True)
    decided = decide(drawn, rule, gate)
    assert decided.sum(axis=(1, 2)).tolist() == [4, 4, 2, 4, 4, 0, 0]


def test_one_stretch_is_taken_of_the_slices_and_filled():
    drawn = slices(200, 0, 0, 0, 200, 200, 0, 200, 0)
    gate = slices(255, 0, 0, 0, 255, 255, 140, 255, 0)
    alone = decide(drawn, rules.Rule(stretch=1), gate)
    assert alone.sum(axis=(1, 2)).tolist() == [0, 0, 0, 0, 4, 4, 0, 4, 0]
    rule = rules.Rule(gate=(1, 0.9, 0.0), fallback=True, stretch=1)
    filled = decide(drawn, rule, gate)
    assert filled.sum(axis=(1, 2)).tolist() == [0, 0, 0, 0, 4, 4, 4, 4, 0]
    # A slice that the gate had closed keeps what is drawn in it.
    drawn[6, 0, 0] = 200
    assert decide(drawn, rule, gate)[6].sum() == 1


def test_without_a_gate_of_its_own_a_rule_falls_back_to_nothing():
    drawn = slices(200, 0, 100, 200)
    for gate in (None, (1, 0.3, 0.0)):
        rule = rules.Rule(gate=gate)
        back = rules.Rule(gate=gate, fallback=True)
        assert (decide(drawn, rule) == decide(drawn, back)).all()


def test_diagonal_neighbours_are_one_component():
    probability = np.zeros((2, 2, 2), np.uint8)
    probability[0, 0, 0] = probability[1, 1, 1] = 255
    assert decide(probability, rules.Rule(voxels=2)).sum() == 2


def test_without_any_probability_the_mask_is_empty():
    rule = rules.Rule(0.5, 5, (3, 0.5, 0.5), True, 5, 1, True)
    assert not decide(np.zeros((2, 2, 2), np.uint8), rule).any()


def test_rules_survive_json_and_are_found_by_class(tmp_path):
    chosen = [rules.Rule(0.3, 20, gate=(12, 0.6, 0.5)), rules.Rule(0.4, smooth=True)]
    path = tmp_path / "decision.json"
    files.write_json(path, rules.to_json(chosen, ["a", "b"]))
    assert rules.read(path, ["b", "a"]) == chosen[::-1]


def test_a_decision_from_before_the_fallback_is_read(tmp_path):
    path = tmp_path / "decision.json"
    entries = rules.to_json([rules.Rule(0.3, gate=(12, 0.6, 0.5))], ["a"])
    del entries["rules"]["a"]["fallback"], entries["rules"]["a"]["stretch"]
    files.write_json(path, entries)
    assert rules.read(path, ["a"]) == [rules.Rule(0.3, gate=(12, 0.6, 0.5))]


def test_a_blends_weights_stand_by_their_members_names(tmp_path):
    chosen = [rules.Rule(weights=(0.25, 0.75)), rules.Rule()]
    entries = rules.to_json(chosen, ["a", "b"], ["first", "second"])
    assert entries["weights"]["a"] == {"first": 0.25, "second": 0.75}
    assert entries["weights"]["b"] == {"first": 0.5, "second": 0.5}
    path = tmp_path / "decision.json"
    files.write_json(path, entries)
    assert rules.read(path, ["a"], ["first", "second"]) == chosen[:1]
    # Their order in the file, which other programs change, is that of no member.
    entries["weights"]["a"] = {"second": 0.75, "first": 0.25}
    files.write_json(path, entries)
    assert rules.read(path, ["a"], ["first", "second"]) == chosen[:1]


@pytest.mark.parametrize(
    "weights",
    [{}, {"first": 1.0}, {"first": 0.0, "second": 0.0}, {"first": 0.5, "third": 0.5}],
)
def test_weights_of_other_members_are_named(tmp_path, weights):
    decision = rules.to_json([rules.Rule()], ["a"]) | {"weights": {"a": weights}}
    path = tmp_path / "decision.json"
    files.write_json(path, decision)
    with pytest.raises(ValueError, match=r"weights\.a: .* of first, second, not all 0"):
        rules.read(path, ["a"], ["first", "second"])


def test_without_a_decision_it_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"decision\.json: not found\. Run .* decide"):
        rules.read(tmp_path / "decision.json", ["a"])


def rule_json(**values):
    return json.dumps({"rules": {"a": values}})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "rules: Field required"),
        ("[]", "the document: .*an object"),
        ('{"rules": {"b": {}}}', "expected a rule for each of a. Missing: a"),
        (rule_json(no=1), r"rules\.a\.no: Unexpected keyword"),
        (rule_json(threshold=50), r"rules\.a\.threshold: .*less than or equal to 1"),
        (rule_json(threshold=math.nan), "is not valid JSON .NaN is not a number"),
        (rule_json(voxels=1e30), r"rules\.a\.voxels: .*valid integer"),
        (rule_json(voxels=2**70), r"rules\.a\.voxels: .*less than or equal"),
        (rule_json(gate=[1]), r"rules\.a\.gate\.1: Field required"),
        ('{"rules": {"a": {}}, "weights": {"a": {"m": "x"}}}', "weights.a.m: .*number"),
    ],
)
def test_a_damaged_decision_is_an_error_that_names_the_key(tmp_path, text, fault):
    path = tmp_path / "decision.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"decision\.json.*{fault}.*Delete it and"):
        rules.read(path, ["a"])


@pytest.mark.parametrize("volumes", [{"voxels": 6}, {"largest": 1}])
def test_volumes_are_judged_before_their_slices_lose_small_parts(volumes):
    # The middle of the first volume is a single pixel wide.
    probability = np.zeros((3, 5, 5), np.uint8)
    probability[0, :3, :3] = probability[1, 1, 1] = probability[2, 1:3, 1:3] = 200
    assert decide(probability, rules.Rule(pixels=2, **volumes)).sum() == 9
