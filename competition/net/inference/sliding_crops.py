"""Crops that slide over whole slices, averaged where they overlap."""

from collections.abc import Callable

import numpy as np

from competition.core.experiment import schema
from competition.net.volumetric import patches

Outputs = dict[str, np.ndarray]


def predict(
    predict_crops: Callable[[Outputs], list[Outputs]],
    geometry: schema.Geometry,
    batch: Outputs,
) -> list[Outputs]:
    """Return each member's outputs of a batch of whole slices.

    `predict_crops` returns each member's outputs of a batch of crops. The presence of a
    class in a slice is the highest of its crops.
    """
    totals: list[Outputs] = []
    for sides in patches.cover(geometry.frame, geometry.crop):
        (y, high), (x, wide) = sides
        part = np.s_[:, y : y + len(high), x : x + len(wide)]
        outputs = predict_crops({**batch, "stack": batch["stack"][part]})
        totals = totals or [_zeros(each, batch["stack"].shape[:3]) for each in outputs]
        for total, own in zip(totals, outputs, strict=True):
            weights = np.outer(high, wide)[..., None]
            total["probability"][part] += weights * own["probability"]
            if "presence" in own:
                np.maximum(total["presence"], own["presence"], total["presence"])
    for total in totals:
        # Sums of rounded weights may exceed 1.
        np.minimum(total["probability"], 1, total["probability"])
    return totals


def _zeros(outputs: Outputs, shape: tuple[int, ...]) -> Outputs:
    """Return zeros for the outputs of whole slices (B, H, W)."""
    classes = outputs["probability"].shape[-1]
    zeros = {name: np.zeros_like(array) for name, array in outputs.items()}
    return zeros | {"probability": np.zeros((*shape, classes), np.float32)}
