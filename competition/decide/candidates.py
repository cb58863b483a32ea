"""The steps of the search, and the rules that each step tries."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

from competition.core import rules
from competition.core.experiment import schema

# Returns the rules that a step tries in place of a rule.
Candidates = Callable[[rules.Rule], list[rules.Rule]]
# The last step adds these offsets to the best threshold of the config.
_OFFSETS = (-0.1, -0.05, 0.05, 0.1)


def steps(
    decide: schema.Decide, *, members: int, has_gate: bool = False
) -> dict[str, Candidates]:
    """Return the steps of the search by name, coarse to fine.

    A part of the rule has no step if the config has no values for it. Falling back to
    the gate's mask is tried only if the run has a `gate`.
    """
    by_name: dict[str, Candidates] = {}
    gates = functools.partial(_replace, "gate", (None, *decide.gates))
    if decide.gates:
        # First of all, or weights and thresholds are chosen for masks in empty slices.
        by_name["gate, first"] = gates
    if members > 1 and decide.weights:
        # The steps below change one weight at a time and could not drop several weak
        # members at once.
        by_name["one member"] = functools.partial(_alone, members)
        for index in range(members):
            reweigh = functools.partial(_reweigh, index, members, decide.weights)
            by_name[f"weight {index + 1}"] = reweigh
    values_by_field = {
        "threshold": decide.thresholds,
        "gate": (None, *decide.gates),
        "smooth": (False, decide.smooth),
        "stretch": (0, *decide.stretch),
        "fallback": (False, decide.fallback and has_gate),
        "pixels": (0, *decide.pixels),
        "voxels": (0, *decide.voxels),
        "largest": (0, *decide.largest),
        "holes": (False, decide.holes),
    }
    for field, values in values_by_field.items():
        if any(values):
            by_name[field] = functools.partial(_replace, field, values)
    if decide.thresholds:
        by_name["threshold, finer"] = _shift_threshold
    return by_name


def _replace(field: str, values: Iterable[Any], rule: rules.Rule) -> list[rules.Rule]:
    return [
        dataclasses.replace(rule, **{field: value})
        for value in values
        if value != getattr(rule, field)
    ]


def _shift_threshold(rule: rules.Rule) -> list[rules.Rule]:
    near = [round(rule.threshold + offset, 4) for offset in _OFFSETS]
    return [dataclasses.replace(rule, threshold=t) for t in near if 0 < t < 1]


def _alone(members: int, rule: rules.Rule) -> list[rules.Rule]:
    """Give all the weight to each of the members in turn."""
    return [
        dataclasses.replace(rule, weights=tuple(float(i == j) for j in range(members)))
        for i in range(members)
    ]


def _reweigh(
    index: int, members: int, values: Iterable[float], rule: rules.Rule
) -> list[rules.Rule]:
    """Set the weight of one member to each value times the others' mean weight."""
    tried = []
    for value in values:
        weights = [*rule.weights] or [1.0] * members
        # The mean keeps the weights from growing or shrinking with each step.
        weights[index] = value * (sum(weights) - weights[index]) / (members - 1)
        if any(weights):
            shares = [round(share, 4) for share in rules.shares(weights, members)]
            tried.append(dataclasses.replace(rule, weights=tuple(shares)))
    return tried
