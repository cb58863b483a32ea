"""From probabilities to masks."""

import numpy as np
import pytest

from competition.core import files, probabilities, rules


def test_the_threshold_is_met_or_passed():
    probability = probabilities.quantise(np.array([[[0.39, 0.41, 1.0]]]))
    decided = rules.decide(probability, rules.Rule(threshold=0.4, voxels=0))
    assert decided.tolist() == [[[False, True, True]]]


def test_small_components_go_and_large_ones_stay_also_across_slices():
    mask = np.zeros((3, 4, 6), bool)
    mask[:, 0, 0] = True  # a column through three slices
    mask[1, 3, 4:] = True  # two voxels
    kept = rules.drop_small(mask, 3)
    assert kept[:, 0, 0].all() and kept.sum() == 3


def test_diagonal_neighbours_hang_together():
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert rules.drop_small(mask, 2).sum() == 2


def test_nothing_stays_nothing():
    assert not rules.drop_small(np.zeros((2, 2, 2), bool), 5).any()


def test_each_class_has_its_rule_and_classes_may_overlap():
    probability = np.full((1, 1, 2, 2), 128, np.uint8)
    bits = rules.apply(probability, [rules.Rule(0.5, 0), rules.Rule(0.6, 0)])
    assert bits.tolist() == [[[1, 1]]]
    both = rules.apply(probability, [rules.Rule(0.5, 0), rules.Rule(0.4, 0)])
    assert both.tolist() == [[[3, 3]]]


def test_rules_survive_json_and_are_found_by_class(tmp_path):
    chosen = [rules.Rule(0.3, 20), rules.Rule(0.4, 0)]
    path = tmp_path / "decision.json"
    files.write_json(path, {"rules": rules.to_json(chosen, ["a", "b"])})
    assert rules.read(path, ["b", "a"]) == chosen[::-1]


def test_without_a_decision_it_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"decision\.json: not found\. Run .* decide"):
        rules.read(tmp_path / "decision.json", ["a"])
