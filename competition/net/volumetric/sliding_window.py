"""Patches of a 3D network that slide over a scan, averaged where they overlap."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.volumetric import patches

Batch = dict[str, np.ndarray]


def slices(
    predict: Callable[[Batch], list[Batch]],
    volume: np.ndarray,
    windows: np.ndarray,
    grid: geometry.Grid,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[Batch]]:
    """Yield the "probability" (h, w, C) of each slice by each member, before `restore`.

    `predict` returns the probability (B, h, w, D * C) of a batch of patches by each
    member. `volume` is uint16 (D, H, W), `windows` (D, 2). One scan is held in float32.
    """
    fitted = np.stack([geometry.fit(image, config.geometry, grid) for image in volume])
    depth, height, width = patch = config.model.patch
    covering = patches.cover(fitted.shape, patch)
    totals: list[np.ndarray] = []
    for start in range(0, len(covering), batch):
        chosen = covering[start : start + batch]
        # Every batch is full, so that one compiled network serves all.
        corners = [[first for first, _ in sides] for sides in chosen]
        corners += corners[-1:] * (batch - len(corners))
        outputs = predict(_gather(fitted, windows, corners, patch))
        boxes = [
            each["probability"].reshape(batch, height, width, depth, -1)
            for each in outputs
        ]
        totals = totals or [
            np.zeros((*fitted.shape, each.shape[-1]), np.float32) for each in boxes
        ]
        for total, of_member in zip(totals, boxes, strict=True):
            for sides, box in zip(chosen, of_member, strict=False):
                _add(total, box, sides)
    for planes in zip(*totals, strict=True):
        # Sums of rounded weights may exceed 1.
        yield [{"probability": np.minimum(plane, 1)} for plane in planes]


def _gather(
    fitted: np.ndarray,
    windows: np.ndarray,
    corners: Sequence[Sequence[int]],
    patch: Sequence[int],
) -> Batch:
    """Return the patches that begin at `corners` as a batch like those of training."""
    depth, height, width = patch
    stacks, of_stacks = [], []
    for z, y, x in corners:
        indices = np.minimum(np.arange(z, z + depth), len(fitted) - 1)
        box = fitted[indices, y : y + height, x : x + width]
        stacks.append(np.moveaxis(box, 0, -1))
        of_stacks.append(windows[indices].astype(np.float32))
    return {"stack": np.stack(stacks), "window": np.stack(of_stacks)}


def _add(
    total: np.ndarray,
    box: np.ndarray,
    sides: tuple[patches.Side, ...],
) -> None:
    """Add a patch's planes (h, w, D, C), weighted, to the total (D, H, W, C)."""
    (z, deep), (y, high), (x, wide) = sides
    weighted = box * (high[:, None, None] * wide[:, None] * deep)[..., None]
    part = total[z : z + len(deep), y : y + len(high), x : x + len(wide)]
    # A patch may be deeper than the scan.
    part += np.moveaxis(weighted, 2, 0)[: len(part)]
