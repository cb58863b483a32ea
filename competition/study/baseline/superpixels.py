"""Superpixels: neighbouring pixels of like grey value, joined agglomeratively."""

import functools
from typing import Any

import numpy as np

# The grid is thinned to so many pixels a side first: joining them takes seconds else.
SIDE = 64
COUNT = 200


def find(seen: np.ndarray) -> np.ndarray:
    """Number the superpixel of every pixel (h * w,) of features (h, w, F), from 0."""
    import cv2
    from sklearn.cluster import AgglomerativeClustering

    height, width = seen.shape[:2]
    # Grey value, means and spread: the place is in the connectivity already.
    thin = cv2.resize(np.ascontiguousarray(seen[..., 3:6]), (SIDE, SIDE))
    model = AgglomerativeClustering(COUNT, connectivity=_grid())
    labels = model.fit_predict(thin.reshape(-1, thin.shape[-1])).reshape(SIDE, SIDE)
    return labels[
        np.arange(height)[:, None] * SIDE // height, np.arange(width) * SIDE // width
    ].ravel()


def mean(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean (S, F) of values (N, F) over each of the S superpixels."""
    sizes = np.bincount(labels, minlength=COUNT)
    sums = [np.bincount(labels, column, minlength=COUNT) for column in values.T]
    return (np.stack(sums, axis=-1) / np.maximum(sizes, 1)[:, None]).astype(np.float32)


@functools.cache
def _grid() -> Any:
    from sklearn.feature_extraction.image import grid_to_graph

    return grid_to_graph(SIDE, SIDE)
