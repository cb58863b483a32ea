"""Reliability curves: how often pixels with a probability belong to the class.

A stored probability is one of 256 values, so counts of each value are enough, and the
counts of scans can be added.
"""

from typing import Any

import numpy as np

VALUES = 256
BINS = 10


def count(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count all pixels of each uint8 probability, then those of the class: (2, 256).

    `probability` and the boolean `truth` are (D, H, W).
    """
    # Most pixels are 0: it is faster to leave them out of the histogram.
    likely = np.bincount(probability[probability > 0], minlength=VALUES)
    likely[0] = probability.size - likely.sum()
    return np.stack([likely, np.bincount(probability[truth], minlength=VALUES)])


def summarise(counts: np.ndarray) -> dict[str, Any]:
    """Return the curve and the expected errors of counts (2, 256).

    A point of the curve has the mean `probability` of the pixels in one of ten bins,
    and the `share` of them that belongs to the class. An expected error is the mean
    distance between these two over pixels: over all pixels, and over the likely ones,
    of at least 0.1. Nearly all other pixels are background and would hide these errors.
    """
    values = np.arange(VALUES) / (VALUES - 1)
    bins = np.minimum((values * BINS).astype(int), BINS - 1)
    pixels, positives = counts
    totals = np.bincount(bins, pixels)
    known = np.maximum(totals, 1)
    probability = np.bincount(bins, pixels * values) / known
    share = np.bincount(bins, positives) / known
    errors = totals * np.abs(probability - share)
    points = zip(probability, share, totals, strict=True)
    return {
        "expected_error": _mean(errors, totals),
        "expected_error_likely": _mean(errors[1:], totals[1:]),
        "curve": [
            {"probability": float(p), "share": float(s), "pixels": int(n)}
            for p, s, n in points
            if n
        ],
    }


def _mean(errors: np.ndarray, totals: np.ndarray) -> float | None:
    return float(errors.sum() / totals.sum()) if totals.any() else None
