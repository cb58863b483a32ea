"""The decision rule: from the probabilities of a scan to its masks.

The same code serves the scores at epoch ends, out of fold, and the submission.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from competition.core import files, masks, probabilities
from competition.core.regions import components
from competition.core.regions import presence as presences

Gate = tuple[int, float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How one class is decided; beside the threshold, every part may be off.

    threshold: a pixel belongs to the class from here on.
    voxels, pixels: smaller components in 3D, in a slice, are dropped; 0 is off.
    gate: (n, p, q): a slice holds the class if at least n pixels exceed p and its
        presence is at least q; None is off.
    smooth: presence is smoothed along z, that of the mask where there is no gate.
    largest: so many components in 3D are kept; 0 is off.
    holes: what the mask encloses in a slice is filled.
    weights: of a blend's members; () where there is one, or all weigh the same.
    """

    threshold: float = 0.5
    voxels: int = 0
    gate: Gate | None = None
    smooth: bool = False
    pixels: int = 0
    largest: int = 0
    holes: bool = False
    weights: tuple[float, ...] = ()


# What epochs are scored with: fixed and fast.
CHEAP = Rule(voxels=20)


def apply(
    probability: np.ndarray,
    rules: Sequence[Rule],
    *,
    presence: np.ndarray | None = None,
) -> masks.Bits:
    """Turn uint8 probabilities (D, H, W, C) into mask bits (D, H, W).

    `presence` is uint8 (D, C): by default the largest probability of each slice.
    """
    if presence is None:
        presence = probabilities.slice_maxima(probability)
    planes = [
        decide(probability[..., i], rule, presence=presence[:, i])
        for i, rule in enumerate(rules)
    ]
    return masks.pack(np.stack(planes, axis=-1))


def decide(
    probability: np.ndarray, rule: Rule, *, presence: np.ndarray | None = None
) -> np.ndarray:
    """Decide one class: uint8 probabilities (D, H, W) to a mask (D, H, W).

    `presence` is uint8 (D,): by default the largest probability of each slice.
    """
    if presence is None:
        presence = probability.max(axis=(1, 2))
    mask = threshold(probability, rule, presence)
    for _, change in CLEANING:
        mask = change(mask, rule)
    return mask


def threshold(probability: np.ndarray, rule: Rule, presence: np.ndarray) -> np.ndarray:
    """The first part of a rule: the pixels that are likely, where the class is."""
    mask = probability >= rule.threshold * 255
    if rule.gate:
        present = presences.gate(probability, presence, rule.gate)
    elif rule.smooth:
        present = mask.any(axis=(1, 2))
    else:
        return np.asarray(mask)
    if rule.smooth:
        present = presences.smooth(present)
    return np.asarray(mask & present[:, None, None])


# The other parts in their order: what of the rule each depends on, and what it does.
CLEANING: tuple[tuple[str, Callable[[np.ndarray, Rule], np.ndarray]], ...] = (
    ("pixels", lambda m, rule: components.drop_small(m, rule.pixels, flat=True)),
    ("voxels", lambda m, rule: components.drop_small(m, rule.voxels)),
    (
        "largest",
        lambda m, rule: components.keep_largest(m, rule.largest) if rule.largest else m,
    ),
    ("holes", lambda m, rule: components.fill_holes(m) if rule.holes else m),
)


def read(path: pathlib.Path, classes: Sequence[str]) -> list[Rule]:
    """The rules of a decision.json, in the order of `classes`."""
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. Run `python -m competition decide` first."
        )
    decision = files.read_json(path)
    try:
        return [
            _restore(decision["rules"][name], decision.get("weights", {}).get(name, {}))
            for name in classes
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected a rule for each of {', '.join(classes)} ({error!r}). "
            "Delete it and run `python -m competition decide` again."
        ) from error


def to_json(rules: Sequence[Rule], classes: Sequence[str]) -> dict[str, Any]:
    """The rules by class, for decision.json; weights stand there by themselves."""
    decided = {}
    for name, rule in zip(classes, rules, strict=True):
        decided[name] = dataclasses.asdict(rule)
        del decided[name]["weights"]
    return decided


def weights_to_json(
    rules: Sequence[Rule], classes: Sequence[str], members: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The weights of a blend's members by class, of sum 1."""
    return {
        name: dict(zip(members, shares(rule.weights, len(members)), strict=True))
        for name, rule in zip(classes, rules, strict=True)
    }


def shares(weights: Sequence[float], count: int) -> tuple[float, ...]:
    """The weights of `count` members as parts of 1; () says that all are equal."""
    weights = weights or (1.0,) * count
    return tuple(weight / sum(weights) for weight in weights)


def _restore(values: dict[str, Any], weights: dict[str, float]) -> Rule:
    gate = values.get("gate")
    settled = {"gate": gate and tuple(gate), "weights": tuple(weights.values())}
    return Rule(**{**values, **settled})
