"""What an organ looks like, and which class a mask's inside looks like.

Lengths are in units of the body's size, grey values in units of its contrast, so that
scans of any format can be compared.
"""

import itertools
import math

import numpy as np

_DEPTHS = (0, 1, 2.5, 4, 6, 9, 1000)
_QUANTILES = (5, 25, 50, 75, 95)
_SCALES = (1, 2.5, 5)
_RIM = 3
_FOLDS = 10
# A probability is never trusted further than this.
_LEAST = 0.01
FEWEST_CASES = 4


def views(image: np.ndarray, inside: np.ndarray, unit: float) -> list[np.ndarray]:
    """The slice in units of its body's contrast, then its detail at three scales."""
    import cv2

    grey = image.astype(np.float32)
    of_body = grey[inside] if inside.any() else grey
    low, middle, high = map(float, np.percentile(of_body, (10, 50, 90)))
    grey = (grey - middle) / max(high - low, 1)
    seen = [grey]
    for scale in _SCALES:
        smooth = cv2.GaussianBlur(grey, (0, 0), scale * unit)
        detail = cv2.Laplacian(smooth, cv2.CV_32F, ksize=3)
        seen.append(np.abs(detail) * unit**2)
    return seen


def describe(seen: list[np.ndarray], mask: np.ndarray, unit: float) -> list[float]:
    """Grey values by depth, texture and size of a mask (H, W) that is not empty."""
    import cv2

    grey, *details = seen
    plane = mask.astype(np.uint8)
    # Where a mask fills its slice, OpenCV says that its end is 3e38 pixels away.
    depth = (
        cv2.distanceTransform(plane, cv2.DIST_L2, 3).clip(max=max(mask.shape)) / unit
    )
    away = cv2.distanceTransform(1 - plane, cv2.DIST_L2, 3) / unit
    rim = grey[(away > 0) & (away <= _RIM)]
    look = [float(rim.mean()) if rim.size else 0.0]
    values, depths = grey[mask], depth[mask]
    rest = float(values.mean())
    for near, far in itertools.pairwise(_DEPTHS):
        band = values[(depths > near) & (depths <= far)]
        look += [float(band.mean()), float(band.std())] if band.size else [rest, 0.0]
    look += np.percentile(values, _QUANTILES).tolist()
    look += [float(detail[mask].mean()) for detail in details]
    rows = np.nonzero(mask)[0]
    # Fluid settles: whether it gets brighter towards the back.
    tilt = ((rows - rows.mean()) * (values - rest)).mean()
    look.append(float(tilt / max(values.std() * rows.std(), 1e-6)))
    parts, _ = cv2.connectedComponents(plane)
    return [*look, math.log(len(rows) / unit**2), float(depths.max()), parts - 1.0]


def likeness(
    looks: np.ndarray, labels: np.ndarray, cases: np.ndarray, trusted: np.ndarray
) -> np.ndarray:
    """Log probability (N, C) of each class for masks that look like `looks` (N, F).

    Each case is judged by the others; masks that are not `trusted` teach nothing, nor,
    the second time, those that look like another class. Too few cases: all zero.
    """
    classes = int(labels.max()) + 1 if len(labels) else 1
    found = np.zeros((len(labels), classes))
    if classes < 2 or len(np.unique(cases[trusted])) < FEWEST_CASES:
        return found
    numbers = np.unique(cases, return_inverse=True)[1] % _FOLDS
    for _ in range(2):
        for fold in range(numbers.max() + 1):
            held = numbers == fold
            teach = trusted & ~held
            if len(np.unique(labels[teach])) == classes:
                found[held] = _fit(looks[teach], labels[teach], looks[held])
        own = np.take_along_axis(found, labels[:, None], axis=1)[:, 0]
        trusted = trusted & (own > math.log(0.1))
    return found


def _fit(looks: np.ndarray, labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    from sklearn import discriminant_analysis

    middle, spread = looks.mean(axis=0), looks.std(axis=0) + 1e-6
    model = discriminant_analysis.LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage="auto", priors=None
    )
    model.fit((looks - middle) / spread, labels)
    chances = model.predict_proba((wanted - middle) / spread)
    return np.log(np.maximum(chances, _LEAST))
