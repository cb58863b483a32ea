"""The stages of a mask: the probability, and each part of the decision rule."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from competition.core import blending, masks, rules
from competition.core.experiment import runs
from competition.core.pages import pictures

# The colours of a mask, and of the pixels that the last part of the rule removed.
_MASK, _REMOVED = (0.22, 0.74, 0.97), (0.98, 0.35, 0.2)
Steps = dict[str, np.ndarray]


def trace(run: runs.Run, scan: str) -> list[Steps]:
    """Return the arrays (D, H, W) of each class: first the probability, then masks.

    A part of the rule that is off is left out.
    """
    prediction = blending.out_of_fold(run, scan)
    traced = []
    for index, rule in enumerate(rules.read(run.files.decision, run.classes)):
        probability, presence = prediction.of_class(index, rule.weights)
        steps: Steps = {"probability": probability}
        steps["threshold"] = probability >= rule.threshold * 255
        mask = rules.threshold(probability, presence, rule)
        if rule.gate or rule.smooth:
            steps["gate"] = mask
        for part, change in rules.CLEANING.items():
            if value := getattr(rule, part):
                mask = steps[part] = change(mask, value)
        traced.append(steps)
    return traced


def draw(
    shown: Sequence[pictures.SlicePicture],
    indices: Sequence[int],
    traced: Sequence[Steps],
    classes: Sequence[str],
) -> bytes:
    """Draw a row for each slice and class as PNG, from left to right as data flows.

    `indices` are the places of the `shown` slices in the scan.
    """
    from matplotlib import figure

    columns = 2 + max(map(len, traced))
    lines = list(
        itertools.product(zip(shown, indices, strict=True), range(len(classes)))
    )
    picture = figure.Figure((2.2 * columns, 2.4 * len(lines)), layout="constrained")
    grid = picture.subplots(len(lines), columns, squeeze=False)
    for axes, ((one, index), c) in zip(grid, lines, strict=True):
        for panel in axes:
            panel.axis("off")
        _panel(axes[0], one.grey, f"slice {one.number}: {classes[c]}")
        before = None
        for panel, (part, values) in zip(axes[1:], traced[c].items(), strict=False):
            _panel(panel, _coloured(one.grey, values[index], before), part)
            before = values[index] if values.dtype == bool else None
        mask = masks.plane(one.truth, c)
        _panel(axes[-1], _coloured(one.grey, mask, None), "truth")
    return pictures.png(picture, dpi=80)


def _panel(axes: Any, image: np.ndarray, title: str) -> None:
    axes.imshow(image, "gray" if image.ndim == 2 else None, vmin=0, vmax=1)
    axes.set_title("").set(text=title, parse_math=False, fontsize=8)


def _coloured(
    grey: np.ndarray, plane: np.ndarray, before: np.ndarray | None
) -> np.ndarray:
    """Return a probability in 0..1, or a mask and its removed pixels over the slice."""
    if plane.dtype != bool:
        return plane / 255
    coloured = np.repeat(grey[..., None], 3, axis=-1)
    coloured[plane] = 0.5 * coloured[plane] + 0.5 * np.array(_MASK)
    if before is not None:
        coloured[before & ~plane] = _REMOVED
    return coloured
