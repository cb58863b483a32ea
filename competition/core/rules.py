"""The decision rule: from the probabilities of a scan to its masks.

The same code serves the scores at epoch ends, out of fold, and the submission.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from competition.core import files, masks


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How one class is decided: where it is likely enough, and large enough in 3D."""

    threshold: float = 0.5
    voxels: int = 20


def apply(probability: np.ndarray, rules: Sequence[Rule]) -> masks.Bits:
    """Turn uint8 probabilities (D, H, W, C) into mask bits (D, H, W)."""
    planes = [decide(probability[..., i], rule) for i, rule in enumerate(rules)]
    return masks.pack(np.stack(planes, axis=-1))


def decide(probability: np.ndarray, rule: Rule) -> np.ndarray:
    """Decide one class: uint8 probabilities (D, H, W) to a mask (D, H, W)."""
    return drop_small(probability >= rule.threshold * 255, rule.voxels)


def drop_small(mask: np.ndarray, voxels: int) -> np.ndarray:
    """Drop the 3D components of a mask (D, H, W) that are smaller than `voxels`."""
    if voxels <= 1 or not mask.any():
        return mask
    from scipy import ndimage

    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= voxels)[labels]


def read(path: pathlib.Path, classes: Sequence[str]) -> list[Rule]:
    """The rules of a decision.json, in the order of `classes`."""
    if not path.is_file():
        raise ValueError(
            f"{path}: not found. Run `python -m competition decide` first."
        )
    decided = files.read_json(path)["rules"]
    return [Rule(**decided[name]) for name in classes]


def to_json(rules: Sequence[Rule], classes: Sequence[str]) -> dict[str, Any]:
    """The rules by class, for decision.json."""
    return {
        name: dataclasses.asdict(rule)
        for name, rule in zip(classes, rules, strict=True)
    }
