"""The attention maps of an Attention U-Net for slices of a scan."""

import collections
from typing import TYPE_CHECKING

import numpy as np

from competition.core import axes, geometry
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.net.frameworks import keras
from competition.net.inference import trained_network
from competition.net.input import scan_batches
from competition.net.networks import unet
from competition.net.training import step

if TYPE_CHECKING:
    import pandas as pd


def of_scan(
    dataset: layout.DatasetFiles, run: runs.Run, rows: "pd.DataFrame"
) -> dict[str, np.ndarray]:
    """Return the maps of a held-out scan float32 (D, H, W) by gate, the coarsest first.

    `rows` are the scan's rows in the slice table, in order. The network is that of the
    fold that held the scan out.
    """
    scan, fold = rows["scan"].iloc[0], int(rows["fold"].iloc[0])
    weights = run.files.weights(fold)
    if not weights.is_file():
        raise ValueError(
            f"{weights}: not found. Run `python -m competition train` first: the gates "
            f"of {scan} are those of fold {fold}, which held it out."
        )
    return compute(
        run,
        fold,
        volume=arrays.Arrays(dataset).scan(scan),
        windows=slice_table.windows(rows, run.config.intensity),
        grid=slice_table.grids(rows)[scan],
    )


def compute(
    run: runs.Run,
    fold: layout.Fold,
    *,
    volume: np.ndarray,
    windows: np.ndarray,
    grid: geometry.Grid,
) -> dict[str, np.ndarray]:
    """Return a fold's maps float32 (D, H, W) by gate, the coarsest first.

    `volume` is uint16 (D, H, W), `windows` (D, 2). Maps have the size of the slices and
    lie in 0..1, where 1 lets a pixel through; they are NaN where `fit` cropped, and
    outside of the box.
    """
    import cv2

    config = run.config
    volume, windows, grid = axes.scan(volume, windows, grid, config.axis)
    size = config.geometry.width, config.geometry.height
    network = unet.attention_maps(trained_network.load(run, fold, size=size[::-1]))
    frame = np.ones(size[::-1], np.float32)
    inside = geometry.restore(frame, config.geometry, grid) > 0
    maps: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    for batch in scan_batches.stack_batches(volume, windows, grid, config, batch=1):
        stack = step.normalise(batch["stack"], batch["window"])
        if config.position:
            stack = step.with_position(stack, batch["position"])
        for name, values in network(stack, training=False).items():
            first = keras.ops.cast(values, "float32")[0, ..., 0]
            plane = keras.ops.convert_to_numpy(first)
            enlarged = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            native = geometry.restore(enlarged, config.geometry, grid)
            maps[name].append(np.where(inside, native, np.nan))
    return {
        name: axes.turn_back(np.stack(planes), config.axis)
        for name, planes in sorted(maps.items(), reverse=True)
    }
