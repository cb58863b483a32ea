"""What is left out first where time is short."""

from competition.core import rules
from competition.submit import effort

FULL = effort.Effort(
    members=("strong", "weak"),
    gates=("gate",),
    folds={"strong": (0, 1), "weak": (0, 1, 2), "gate": (0,)},
    views={"strong": 2, "weak": 1, "gate": 1},
)


def test_the_cost_counts_forward_passes():
    assert FULL.cost == 2 * 2 + 3 + 1


def test_tta_goes_first_then_the_weakest_member_then_folds():
    costs, step = [], FULL
    while step:
        costs.append(step.cost)
        last, step = step, step.lower()
    assert costs == [8, 6, 3, 2]
    assert last.members == ("strong",)
    assert last.folds["strong"] == (0,)
    assert str(last) == "no TTA, strong with 1 folds, gate with 1 folds"


def test_a_member_that_is_the_gate_too_is_counted_once():
    both = effort.Effort(("a",), ("a",), {"a": (0,)}, {"a": 1})
    assert both.cost == 1
    assert both.lower() is None


def test_members_are_ordered_by_what_they_weigh_over_all_classes():
    decided = [rules.Rule(weights=(1.0, 3.0)), rules.Rule(weights=(1.0, 1.0))]
    assert effort.by_strength(["a", "b"], decided) == ("b", "a")
    assert effort.by_strength(["a", "b"], [rules.Rule()]) == ("a", "b")


def test_the_rules_of_some_members_keep_their_weights():
    decided = [rules.Rule(weights=(1.0, 3.0, 0.0)), rules.Rule()]
    kept = effort.rules_of(decided, ["a", "b", "c"], ["c", "a"])
    assert [rule.weights for rule in kept] == [(1.0, 0.0), ()]
    assert effort.rules_of(decided, ["a", "b", "c"], ["c"])[0].weights == ()
