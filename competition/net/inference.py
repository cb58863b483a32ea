"""From a scan to the probabilities of its voxels."""

import functools
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from competition.core import config, geometry
from competition.net import build, dataset, step


def load(weights: pathlib.Path, config: config.Config, classes: int) -> keras.Model:
    """Build the network of a config and load the weights of a fold into it."""
    network = build.build(config, classes)
    try:
        network.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{weights}: not weights of a {config.model.architecture} with widths "
            f"{list(config.model.widths)}, {len(config.slices)} slices and {classes} "
            f"classes ({error}). Train the fold again."
        ) from error
    return network


def predict_scan(
    networks: Sequence[keras.Model],
    volume: np.ndarray,
    windows: np.ndarray,
    config: config.Config,
) -> np.ndarray:
    """Return the mean probabilities float32 (D, H, W, C) of a uint16 scan (D, H, W).

    `windows` (D, 2) holds the low and high of each slice; 0 where `fit` cropped.
    """
    if windows.shape != (len(volume), 2):
        raise ValueError(
            "`windows` needs a low and a high for each slice. Expected shape "
            f"{(len(volume), 2)}, received {windows.shape}. Take them from the rows "
            "of this scan alone."
        )
    ensemble = _ensemble(tuple(networks))
    classes = networks[0].output_shape[-1]
    depth, height, width = volume.shape
    restored = np.empty((depth, height, width, classes), np.float32)
    done = 0
    for batch in dataset.inference(volume, windows, config).as_numpy_iterator():
        probability = ensemble.predict_on_batch(batch)
        # The last batch repeats its last slice; the surplus is left.
        for each in probability[: depth - done]:
            restored[done] = geometry.restore(each, (height, width), config.geometry)
            done += 1
    return restored


# Compiling takes longer than a scan, and the networks are the same scan after scan.
@functools.lru_cache(maxsize=4)
def _ensemble(networks: tuple[keras.Model, ...]) -> step.Ensemble:
    ensemble = step.Ensemble(networks)
    ensemble.compile(jit_compile=step.xla())
    return ensemble
