"""Patches of a 3D network that slide over a scan, averaged where they overlap."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.volumetric import patches

Batch = dict[str, np.ndarray]
Planes = dict[str, np.ndarray]


def slices(
    predict: Callable[[Batch], list[Planes]],
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[Planes]]:
    """Yield the "probability" (h, w, C) of each slice by each member, before `restore`.

    `predict` returns the probability (B, h, w, D * C) of a batch of patches by each
    member. `volume` is uint16 (D, H, W), `windows` (D, 2). One scan is held in float32.
    """
    fitted = np.stack([geometry.fit(image, config.geometry) for image in volume])
    patch = config.model.patch
    covering = patches.cover(fitted.shape, patch)
    totals: list[np.ndarray] = []
    for start in range(0, len(covering), batch):
        chosen = covering[start : start + batch]
        corners = [corner for corner, _ in chosen]
        # Every batch is full, so that one compiled network serves all.
        corners += corners[-1:] * (batch - len(corners))
        predictions = predict(_gather(fitted, windows, corners, patch))
        for member, prediction in enumerate(predictions):
            planes = prediction["probability"]
            boxes = planes.reshape(*planes.shape[:3], patch[0], -1)
            if len(totals) == member:
                totals.append(np.zeros((*fitted.shape, boxes.shape[-1]), np.float32))
            for (corner, weights), box in zip(chosen, boxes, strict=False):
                _add(totals[member], box, corner, weights=weights)
    for of_members in zip(*totals, strict=True):
        # Sums of rounded weights may exceed 1.
        yield [{"probability": np.minimum(plane, 1)} for plane in of_members]


def _gather(
    fitted: np.ndarray,
    windows: np.ndarray,
    corners: Sequence[patches.Corner],
    patch: Sequence[int],
) -> Batch:
    """Return the patches that begin at `corners` as a batch like those of training."""
    depth, height, width = patch
    stack = np.empty((len(corners), height, width, depth), fitted.dtype)
    window = np.empty((len(corners), depth, 2), np.float32)
    for number, (z, y, x) in enumerate(corners):
        chosen = np.minimum(np.arange(z, z + depth), len(fitted) - 1)
        box = fitted[chosen, y : y + height, x : x + width]
        stack[number] = np.moveaxis(box, 0, -1)
        window[number] = windows[chosen]
    return {"stack": stack, "window": window}


def _add(
    total: np.ndarray,
    box: np.ndarray,
    corner: patches.Corner,
    *,
    weights: patches.Weights,
) -> None:
    """Add a patch's planes (h, w, D, C), weighted, to the total (D, H, W, C)."""
    deep, high, wide = weights
    weighted = box * (high[:, None, None] * wide[:, None] * deep)[..., None]
    z, y, x = corner
    within = total[z : z + len(deep), y : y + len(high), x : x + len(wide)]
    # A patch may be deeper than the scan.
    within += np.moveaxis(weighted, 2, 0)[: len(within)]
