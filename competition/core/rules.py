"""The decision rule: from the probabilities of a scan to its masks.

The scores at epoch ends, the scores out of fold and the submission use the same code.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import annotated_types
import numpy as np
import pydantic
import typing_extensions

from competition.core import files
from competition.core.regions import components, gating

Share = Annotated[float, annotated_types.Interval(ge=0, le=1)]
Count = Annotated[int, annotated_types.Interval(ge=0, le=2**40)]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How one class is decided; each part except the threshold may be off.

    threshold: the least probability of a pixel of the class.
    voxels, pixels: the least size of a component in 3D and in a slice; 0 is off.
    gate: (n, p, q): a slice holds the class if at least n pixels exceed p and its
        presence is at least q; None is off. If a blend has `gate` runs, these give the
        pixels and the presence.
    smooth: the presence is smoothed along z; without a gate, slices with a mask count
        as present.
    stretch: the class lies in one stretch of slices: the longest one and all that are
        linked by gaps of at most this many slices; these become present. 0 is off.
    largest: the number of components in 3D that are kept; 0 is off.
    holes: the holes of the mask in each slice are filled.
    fallback: if the members' mask is empty in a slice that passes the gate, the slice
        takes the gate's own mask, by the same threshold.
    weights: the weights of a blend's members; () gives all members the same weight.
    """

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")
    threshold: Share = 0.5
    voxels: Count = 0
    gate: tuple[Count, Share, Share] | None = None
    smooth: bool = False
    pixels: Count = 0
    largest: Count = 0
    holes: bool = False
    fallback: bool = False
    stretch: Count = 0
    weights: tuple[Share, ...] = ()

    @property
    def chooses_slices(self) -> bool:
        """Return whether a part of the rule says which slices hold the class."""
        return bool(self.gate or self.smooth or self.stretch)


class Evidence(NamedTuple):
    """The values of one scan from which a class is decided.

    `probability` gives the mask and `gate` is counted by the gate, both uint8
    (D, H, W). `presence` is the uint8 presence (D,) in each slice.
    """

    probability: np.ndarray
    gate: np.ndarray
    presence: np.ndarray


class _Entries(typing_extensions.TypedDict):
    """The entries that say how masks are decided."""

    rules: dict[str, Rule]
    weights: typing_extensions.NotRequired[dict[str, dict[str, Share]]]


class _Split(_Entries):
    """The rules that were chosen without some `scans`, on which they are tested."""

    scans: list[str]


class _Nested(typing_extensions.TypedDict):
    splits: typing_extensions.NotRequired[list[_Split]]


class _Decision(_Entries):
    """The entries of decision.json that are read back."""

    nested: typing_extensions.NotRequired[_Nested]


_REMEDY = "Delete it and run `python -m competition decide` again."
# This rule scores epochs: it is fixed, and fast.
CHEAP = Rule(voxels=20)
# The parts after the threshold, in their order. Each function changes a mask by the
# value of the rule's field of this name, if the part is on.
CLEANING: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "pixels": functools.partial(components.drop_small, flat=True),
    "voxels": components.drop_small,
    "largest": components.keep_largest,
    "holes": lambda mask, _: components.fill_holes(mask),
}


def decide(evidence: Evidence, rule: Rule) -> np.ndarray:
    """Return the mask (D, H, W) of one class."""
    mask = threshold(evidence, rule)
    for part, change in CLEANING.items():
        if value := getattr(rule, part):
            mask = change(mask, value)
    return mask


def threshold(evidence: Evidence, rule: Rule) -> np.ndarray:
    """Return the mask of a rule's first parts: threshold, slices and fallback."""
    least = rule.threshold * 255
    mask: np.ndarray = evidence.probability >= least
    if not rule.chooses_slices:
        return mask
    drawn = mask.any(axis=(1, 2))
    present = drawn
    if rule.gate:
        present = gating.present(evidence.gate, evidence.presence, rule.gate)
    if rule.smooth:
        present = gating.smooth(present)
    if rule.stretch:
        present = gating.one_stretch(present, rule.stretch)
    mask[~present] = False
    if rule.gate and rule.fallback:
        undrawn = present & ~drawn
        mask[undrawn] = evidence.gate[undrawn] >= least
    return mask


def read(
    path: pathlib.Path, classes: Sequence[str], members: Sequence[str] = ()
) -> list[Rule]:
    """Read the rules of a decision.json, in the order of `classes`.

    The weights of a blend are put in the order of its `members`.
    """
    return _in_order(path, _read(path), classes, members)


def read_nested(
    path: pathlib.Path, classes: Sequence[str], members: Sequence[str] = ()
) -> dict[str, list[Rule]]:
    """Read, by scan, the rules that were chosen without the scan's fold.

    A decision on a single scan has no such rules, nor has one of an older version.
    """
    splits = _read(path).get("nested", {}).get("splits", [])
    return {
        scan: _in_order(path, split, classes, members)
        for split in splits
        for scan in split["scans"]
    }


def _read(path: pathlib.Path) -> _Decision:
    files.require(path, "decide")
    decision: _Decision = files.read_json(path, _Decision, remedy=_REMEDY)
    return decision


def _in_order(
    path: pathlib.Path,
    entries: _Entries,
    classes: Sequence[str],
    members: Sequence[str],
) -> list[Rule]:
    weights = entries.get("weights", {})
    by_class = entries["rules"]
    if missing := [name for name in classes if name not in by_class]:
        raise ValueError(
            f"{path}: expected a rule for each of {', '.join(classes)}. Missing: "
            f"{', '.join(missing)}. {_REMEDY}"
        )
    for name, by_member in weights.items():
        if by_member.keys() != set(members) or not any(by_member.values()):
            raise ValueError(
                f"{path}: weights.{name}: expected a weight of each of "
                f"{', '.join(members) or 'no members'}, not all 0. Received: "
                f"{by_member}. {_REMEDY}"
            )
    return [
        dataclasses.replace(
            by_class[name],
            weights=tuple(weights[name][m] for m in members) if name in weights else (),
        )
        for name in classes
    ]


def to_json(
    rules: Sequence[Rule], classes: Sequence[str], members: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the entries of decision.json for `rules`, and for the weights of a blend.

    For each class the weights of the blend's `members` have the sum 1.
    """
    by_class = {
        name: dataclasses.asdict(rule)
        for name, rule in zip(classes, rules, strict=True)
    }
    weights = {
        name: dict(zip(members, shares(rule.pop("weights"), len(members)), strict=True))
        for name, rule in by_class.items()
    }
    return {"rules": by_class} | ({"weights": weights} if members else {})


def shares(weights: Sequence[float], count: int) -> tuple[float, ...]:
    """Return the weights of `count` members as shares of 1; () makes them equal."""
    weights = weights or (1.0,) * count
    return tuple(weight / sum(weights) for weight in weights)
