"""The features that simple methods use: of each pixel, or of each superpixel.

Superpixels are neighbouring pixels of similar grey value, joined agglomeratively.
"""

import cv2
import numpy as np
import pandas as pd
from sklearn import cluster
from sklearn.feature_extraction import image

from competition.core import geometry, stacks
from competition.core.experiment import schema

SUPERPIXELS = 200
# A slice is thinned to this many pixels a side: joining all of them takes seconds.
_SIDE = 64
_WINDOWS = (5, 15)


def of_slice(
    volume: np.ndarray,
    index: int,
    window: tuple[float, float],
    shape: schema.Geometry,
    grid: geometry.Grid,
) -> np.ndarray:
    """Return features float32 (h, w, F) of the slice at `index` of a scan (D, H, W).

    They are grey values around each pixel, between the (low, high) of `window`, and its
    position from 0 to 1 along each axis.
    """
    stack = geometry.fit(stacks.gather(volume, index, (0, -1, 1)), shape, grid)
    low, high = window
    grey = np.clip((stack.astype(np.float32) - low) / (high - low), 0, 1)
    middle = np.ascontiguousarray(grey[..., 0])
    means = [cv2.blur(middle, (size, size)) for size in _WINDOWS]
    squares = [cv2.blur(middle**2, (size, size)) for size in _WINDOWS]
    variances = np.stack(squares) - np.stack(means) ** 2
    # Rounding can leave a variance slightly below 0.
    spreads = np.sqrt(np.maximum(variances, 0))
    edge = cv2.magnitude(*(cv2.Sobel(middle, cv2.CV_32F, *d) for d in ((1, 0), (0, 1))))
    row, column = np.mgrid[0 : 1 : shape.height * 1j, 0 : 1 : shape.width * 1j]
    level = np.full(middle.shape, index / max(len(volume) - 1, 1))
    planes = [*np.moveaxis(grey, -1, 0), *means, *spreads, edge, row, column, level]
    return np.stack(planes, axis=-1).astype(np.float32)


def find_superpixels(pixels: np.ndarray) -> np.ndarray:
    """Return the superpixel, from 0, of every pixel (h * w,) of features (h, w, F)."""
    height, width = pixels.shape[:2]
    # Means and the narrower spread: the position is in the connectivity already.
    thin = cv2.resize(np.ascontiguousarray(pixels[..., 3:6]), (_SIDE, _SIDE))
    grid = image.grid_to_graph(_SIDE, _SIDE)
    model = cluster.AgglomerativeClustering(SUPERPIXELS, connectivity=grid)
    labels = model.fit_predict(thin.reshape(-1, thin.shape[-1])).reshape(_SIDE, _SIDE)
    rows = np.arange(height) * _SIDE // height
    columns = np.arange(width) * _SIDE // width
    return labels[rows[:, None], columns].ravel()


def mean_by_superpixel(values: np.ndarray, superpixels: np.ndarray) -> np.ndarray:
    """Return the means (S, F) of values (N, F) in each of the S superpixels (N,)."""
    means = pd.DataFrame(values.astype(float)).groupby(superpixels).mean()
    return means.reindex(range(SUPERPIXELS), fill_value=0).to_numpy(np.float32)
