"""The contents of the viewer for one scan, and their form as JSON in a page."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import masks
from competition.core.pages.viewer import pack


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScanView:
    """A scan to show: uint16 (D, H, W), with masks as bits of that shape.

    title: what a list of scans calls it.
    numbers: the number of each slice.
    spacing: the distances of voxels in mm, by axis.
    stages: the predicted masks after each part of the decision rule, the final one
        last; the annotations themselves if nothing is predicted.
    truth: the annotations, if they are known.
    other: the masks of another run.
    heats: arrays uint8 (D, H, W) by name, such as the probability of a class.
    presence: uint8 (D, C): the probability that a slice holds a class.
    """

    title: str
    numbers: Sequence[int]
    scan: np.ndarray
    spacing: tuple[float, float, float]
    stages: Mapping[str, masks.Bits]
    truth: masks.Bits | None = None
    other: masks.Bits | None = None
    heats: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    presence: np.ndarray | None = None


def to_json(view: ScanView, *, most: float) -> dict[str, Any]:
    """Return the JSON that viewer.js reads; it tries to keep to `most` bytes."""
    stages = [
        {"name": name, "data": pack.volume(bits)} for name, bits in view.stages.items()
    ]
    heats = [{"name": name, **pack.heat(plane)} for name, plane in view.heats.items()]
    truth = None if view.truth is None else pack.volume(view.truth)
    other = None if view.other is None else pack.volume(view.other)
    texts = [each["data"] for each in stages + heats] + [truth or "", other or ""]
    return {
        "shape": view.scan.shape,
        "spacing": view.spacing,
        "numbers": [*map(int, view.numbers)],
        "image": pack.image(view.scan, most=most - sum(map(len, texts))),
        "truth": truth,
        "other": other,
        "stages": stages,
        "heats": heats,
        "presence": None if view.presence is None else view.presence.tolist(),
    }
