"""Rules, settings and times in words, as a person would write them."""

from collections.abc import Mapping, Sequence
from typing import Any

from competition.core import rules
from competition.core.experiment import layout, schema

PARTS = {
    "smooth": "presence smoothed along the scan",
    "stretch": "one stretch of slices",
    "pixels": "small parts of a slice dropped",
    "voxels": "small parts in 3D dropped",
    "largest": "only the largest parts kept",
    "holes": "holes filled",
    "fallback": "the gate's mask where nothing is drawn",
    "weights": "weights of the members",
}
TIMES = " \N{MULTIPLICATION SIGN} "


def gate(pixels: int, probability: float, presence: float) -> str:
    """Say when a slice holds a class."""
    parts = []
    if pixels:
        parts.append(f"at least {count(pixels, 'pixel')} above {number(probability)}")
    if presence:
        parts.append(f"presence at least {number(presence)}")
    return ", ".join(parts) or "always"


def opening(rule: rules.Rule) -> str:
    """Say in which slices a class may be, by its rule."""
    parts = [gate(*rule.gate)] if rule.gate else []
    if rule.smooth:
        parts.append("smoothed along the scan")
    if rule.stretch:
        apart = count(rule.stretch, "slice")
        parts.append(f"one stretch of slices, with others up to {apart} away")
    return "; ".join(parts) or "every slice"


def cleaning(rule: rules.Rule) -> str:
    """Say how the mask of a class is cleaned, by its rule."""
    parts = []
    if rule.fallback:
        parts.append("the gate's own mask where the members draw nothing")
    if rule.pixels:
        parts.append(f"parts under {count(rule.pixels, 'pixel')} of a slice dropped")
    if rule.voxels:
        parts.append(f"parts under {count(rule.voxels, 'voxel')} in 3D dropped")
    if rule.largest == 1:
        parts.append("only the largest part kept")
    elif rule.largest:
        parts.append(f"only the {rule.largest} largest parts kept")
    if rule.holes:
        parts.append("holes filled")
    return "; ".join(parts) or "nothing more"


def part(name: str) -> str:
    """Say what a part of the rules does, by its short name in `decide`."""
    return PARTS.get(name, name)


def weights(rule: rules.Rule, members: Sequence[str]) -> str:
    """Say how much each member of a blend counts for a class."""
    shares = rules.shares(rule.weights, len(members))
    parts = zip(members, shares, strict=True)
    return ", ".join(f"{name} {share:.0%}" for name, share in parts if share)


def count(amount: int, thing: str) -> str:
    """Write a number and the thing it counts, in the plural unless it is 1."""
    plural = thing.removesuffix("y") + "ies" if thing.endswith("y") else f"{thing}s"
    return f"{amount:,} {thing if amount == 1 else plural}"


def number(value: float) -> str:
    """Write a number without an exponent and without zeros at its end."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Write a time in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s"


def folds(numbers: Sequence[layout.Fold]) -> str:
    """Say which folds a run has."""
    if tuple(numbers) == layout.ALL:
        return "trained on every case"
    word = "fold" if len(numbers) == 1 else "folds"
    return f"{word} {', '.join(map(str, numbers))}"


def kept(training: schema.Training) -> str:
    """Say which weights of a fold are kept."""
    if training.keep == "swa":
        return f"the average of the last {count(training.swa_epochs, 'epoch')}"
    return f"those of the {training.keep} epoch"


def setting(value: Any, key: str = "") -> str:
    """Write a value of a config; `key` is its dotted name."""
    if key == "decide.gates":
        return "; ".join(gate(*each) for each in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{k} {setting(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value)) or "none"
    return number(value) if isinstance(value, int | float) else str(value)
