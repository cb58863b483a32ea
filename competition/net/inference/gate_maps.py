"""The gate maps of an Attention U-Net for slices of a scan."""

import collections
from collections.abc import Collection

import numpy as np
from keras import ops

from competition.core import geometry
from competition.core.experiment import layout, runs
from competition.net.inference import trained_network
from competition.net.input import scan_batches
from competition.net.networks import unet
from competition.net.training import step


def compute(
    run: runs.Run,
    fold: layout.Fold,
    *,
    volume: np.ndarray,
    windows: np.ndarray,
    grid: geometry.Grid,
    chosen: Collection[int],
) -> dict[str, np.ndarray]:
    """Return a fold's maps float32 (len(chosen), H, W) by gate, the coarsest first.

    `volume` is uint16 (D, H, W), `windows` (D, 2). Maps have the size of the slices and
    lie in 0..1, where 1 lets a pixel through; they are NaN where `fit` cropped, and
    outside of the box.
    """
    import cv2

    config = run.config
    size = config.geometry.width, config.geometry.height
    network = unet.attention_maps(trained_network.load(run, fold, size=size[::-1]))
    frame = np.ones(size[::-1], np.float32)
    inside = geometry.restore(frame, config.geometry, grid) > 0
    maps: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    # One slice a batch, so that only the chosen slices pass through the network.
    batches = scan_batches.stack_batches(volume, windows, grid, config, batch=1)
    for index, batch in enumerate(batches):
        if index not in chosen:
            continue
        stack = step.normalise(batch["stack"], batch["window"])
        if config.position:
            stack = step.with_position(stack, batch["position"])
        for name, values in network(stack, training=False).items():
            plane = ops.convert_to_numpy(ops.cast(values, "float32"))[0, ..., 0]
            enlarged = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            native = geometry.restore(enlarged, config.geometry, grid)
            maps[name].append(np.where(inside, native, np.nan))
    return {
        name: np.stack(planes) for name, planes in sorted(maps.items(), reverse=True)
    }
