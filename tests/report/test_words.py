"""Rules, settings and times as a person would write them."""

import pytest

from competition.core import rules
from competition.report import words


def test_a_gate_of_pixels_and_presence():
    assert words.gate(120, 0.5, 0.5) == (
        "at least 120 pixels above 0.5, presence at least 0.5"
    )
    assert words.gate(1, 0.6, 0.0) == "at least 1 pixel above 0.6"
    assert words.gate(0, 0.0, 0.3) == "presence at least 0.3"
    assert words.gate(0, 0.0, 0.0) == "always"


def test_a_rule_with_all_parts():
    rule = rules.Rule(
        gate=(12, 0.6, 0.5), smooth=True, pixels=25, voxels=1200, largest=2,
        holes=True, fallback=True, stretch=5, weights=(0.75, 0.25, 0.0),
    )  # fmt: skip
    assert words.opening(rule) == (
        "at least 12 pixels above 0.6, presence at least 0.5; smoothed along the scan; "
        "one stretch of slices, with others up to 5 slices away"
    )
    assert words.cleaning(rule) == (
        "the gate's own mask where the members draw nothing; parts under 25 pixels of "
        "a slice dropped; parts under 1,200 voxels in 3D dropped; only the 2 largest "
        "parts kept; holes filled"
    )
    assert words.weights(rule, ["a", "b", "c"]) == "a 75%, b 25%"


def test_a_rule_that_is_a_threshold_alone():
    assert words.opening(rules.Rule()) == "every slice"
    assert words.cleaning(rules.Rule()) == "nothing more"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3725, "1 h 2 min")],
)
def test_times(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        ([], "none"),
        ([16, 32], "16, 32"),
        (0.00005, "0.00005"),
        (1.0, "1"),
        (1000000, "1000000"),
        ({"low": 0.1, "high": 2}, "low 0.1; high 2"),
        ("resize", "resize"),
    ],
)
def test_settings(value, text):
    assert words.setting(value) == text


def test_gates_to_try_are_said_as_gates():
    gates = [[12, 0.6, 0.5], [0, 0.0, 0.9]]
    assert words.setting(gates, "decide.gates") == (
        "at least 12 pixels above 0.6, presence at least 0.5; presence at least 0.9"
    )


def test_many_things():
    assert words.count(1, "case") == "1 case" and words.count(2, "entry") == "2 entries"


def test_folds():
    assert words.folds((0, 1)) == "folds 0, 1" and words.folds((3,)) == "fold 3"
    assert words.folds(("all",)) == "trained on every case"
