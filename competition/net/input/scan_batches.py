"""The slices of a scan in the batches that a 2.5D network predicts."""

from collections.abc import Iterator

import numpy as np

from competition.core import geometry, stacks
from competition.core.experiment import configs


def stack_batches(
    volume: np.ndarray,
    windows: np.ndarray,
    grid: geometry.Grid,
    config: configs.Config,
    *,
    batch: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield "stack" (B, h, w, K) and "window" (B, 2) of all slices of a scan in order.

    With `position` also the place float32 (B,) of each slice in the scan, from 0 to 1.
    Every batch is full, so that one compiled network serves all: the last repeats the
    last slice. `volume` is uint16 (D, H, W), `windows` (D, 2).
    """
    # Not by tf.data: starting a pipeline for a scan takes longer than gathering it.
    # A slice is in many stacks, so it is fitted before it is gathered.
    fitted = np.stack([geometry.fit(image, config.geometry, grid) for image in volume])
    for start in range(0, len(volume), batch):
        indices = np.minimum(np.arange(start, start + batch), len(volume) - 1)
        gathered = [stacks.gather(fitted, index, config.slices) for index in indices]
        batch_of = {
            "stack": np.stack(gathered),
            "window": windows[indices].astype(np.float32),
        }
        if config.position:
            batch_of["position"] = stacks.position(indices, len(volume))
        yield batch_of
