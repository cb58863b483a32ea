"""Predictions of a scan by networks alone, compiled once for the same networks."""

import functools

from competition.net.inference import scan_predictor

_alone = functools.lru_cache(maxsize=2)(scan_predictor.alone)


def predict(networks, volume, windows, grid, config):
    """Return the mean probabilities float32 (D, H, W, C) of a scan."""
    return _alone(tuple(networks), config)(volume, windows, grid)
