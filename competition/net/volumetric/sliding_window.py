"""A 3D network's patches slid over a scan, and put together where they overlap."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.volumetric import patches

Batch = dict[str, np.ndarray]
Seen = dict[str, np.ndarray]
Look = Callable[[Batch], list[Seen]]


def slices(
    look: Look,
    volume: np.ndarray,
    windows: np.ndarray,
    *,
    config: configs.Config,
    batch: int,
) -> Iterator[list[Seen]]:
    """Yield the "probability" (h, w, C) of each slice by each member, before `restore`.

    `look` gives that of a batch of patches, (B, h, w, D * C) a member. `volume` is
    uint16 (D, H, W), `windows` (D, 2). What is held is one scan, in float32.
    """
    fitted = np.stack([geometry.fit(image, config.geometry) for image in volume])
    sides = config.model.patch
    pairs = patches.cover(fitted.shape, sides)
    totals: list[np.ndarray] = []
    for start in range(0, len(pairs), batch):
        chosen = pairs[start : start + batch]
        places = [place for place, _ in chosen]
        # Every batch is full, so that one compiled network serves all.
        places += places[-1:] * (batch - len(places))
        for number, seen in enumerate(look(_gather(fitted, windows, places, sides))):
            planes = seen["probability"]
            boxes = planes.reshape(*planes.shape[:3], sides[0], -1)
            if len(totals) == number:
                totals.append(np.zeros((*fitted.shape, boxes.shape[-1]), np.float32))
            for (place, shares), box in zip(chosen, boxes, strict=False):
                _add(totals[number], box, place, shares=shares)
    # Sums of weights are rounded.
    for found in zip(*totals, strict=True):
        yield [{"probability": np.minimum(each, 1)} for each in found]


def _gather(
    fitted: np.ndarray,
    windows: np.ndarray,
    places: Sequence[patches.Place],
    sides: Sequence[int],
) -> Batch:
    """The patches that begin at `places`, as a batch of the training is."""
    depth, height, width = sides
    stack = np.empty((len(places), height, width, depth), fitted.dtype)
    window = np.empty((len(places), depth, 2), np.float32)
    for number, (z, y, x) in enumerate(places):
        chosen = np.minimum(np.arange(z, z + depth), len(fitted) - 1)
        box = fitted[chosen, y : y + height, x : x + width]
        stack[number] = np.moveaxis(box, 0, -1)
        window[number] = windows[chosen]
    return {"stack": stack, "window": window}


def _add(
    total: np.ndarray, box: np.ndarray, place: patches.Place, *, shares: patches.Shares
) -> None:
    """Add a patch's planes (h, w, D, C), weighted, where they lie in (D, H, W, C)."""
    deep, high, wide = shares
    weighted = box * (high[:, None, None] * wide[:, None] * deep)[..., None]
    z, y, x = place
    within = total[z : z + len(deep), y : y + len(high), x : x + len(wide)]
    # A patch may be deeper than the scan.
    within += np.moveaxis(weighted, 2, 0)[: len(within)]
