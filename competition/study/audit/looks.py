"""How organs look, and which class the inside of a mask looks like.

Lengths are in units of the body's size and grey values in units of its contrast, so
that scans of any format can be compared.
"""

import itertools
import math

import cv2
import numpy as np
import pandas as pd
from sklearn import discriminant_analysis, model_selection, pipeline, preprocessing

# Depths below the border and widths of detail, in units of the body.
_DEPTHS = (0, 1, 2.5, 4, 6, 9, math.inf)
_SCALES = (1, 2.5, 5)
_FEWEST_CASES = 4
_FEWEST_MASKS = 3
_FOLDS = 10
# A mask that overlaps another class's mask in the slice before by this Dice is of that
# organ.
RENAMED = 0.7
_OWN_NAME = 0.5
# Natural logarithms: how much a mask must look like the other class on average, what
# each mask in a swapped stretch costs, and what it gains if its name is swapped.
_FAVOUR, _DOUBT, _SURE = 0.7, 1.0, 9.0


def views(image: np.ndarray, body: np.ndarray, unit: float) -> list[np.ndarray]:
    """Return the slice in units of its body's contrast, then its detail by scale."""
    grey = image.astype(np.float32)
    low, middle, high = np.percentile(grey[body] if body.any() else grey, (10, 50, 90))
    grey = (grey - np.float32(middle)) / np.float32(max(high - low, 1))
    smooth = [cv2.GaussianBlur(grey, (0, 0), scale * unit) for scale in _SCALES]
    edges = [cv2.Laplacian(each, cv2.CV_32F, ksize=3) for each in smooth]
    return [grey, *(np.abs(edge) * unit**2 for edge in edges)]


def look(details: list[np.ndarray], mask: np.ndarray, unit: float) -> list[float]:
    """Return grey values by depth, detail and size of a mask that is not empty.

    `details` are the slice's `views`.
    """
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    # If a mask fills its slice, OpenCV says that its border is 3e38 pixels away.
    depth = inside[mask].clip(max=max(mask.shape)) / unit
    grey = details[0][mask]
    values = [grey.mean()]
    for low, high in itertools.pairwise(_DEPTHS):
        band = grey[(depth > low) & (depth <= high)]
        values += [band.mean(), band.std()] if band.size else [grey.mean(), 0]
    values += np.percentile(grey, (5, 25, 50, 75, 95)).tolist()
    values += [detail[mask].mean() for detail in details[1:]]
    return [*map(float, values), math.log(len(grey) / unit**2), float(depth.max())]


def class_chances(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the log probability (N, C) of each class for every mask by its look.

    A model that was fitted on other cases judges each mask. It is fitted twice, the
    second time without masks that look like another class. With too few cases, or a
    class in too few of them, all are zero.
    """
    labels, cases = rows["class"].to_numpy(), rows["case"].nunique()
    classes = np.unique(labels)
    chances = pd.DataFrame(0.0, rows.index, classes)
    if len(classes) < 2 or cases < _FEWEST_CASES:
        return chances
    looks = np.stack(rows["look"].tolist())
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        discriminant_analysis.LinearDiscriminantAnalysis("lsqr", shrinkage="auto"),
    )
    folds = model_selection.GroupKFold(min(_FOLDS, cases))
    splits = list(folds.split(looks, groups=rows["case"]))
    teaches = np.ones(len(labels), bool)
    for _ in range(2):
        learned = [(train[teaches[train]], held_out) for train, held_out in splits]
        if any(len(np.unique(labels[train])) < len(classes) for train, _ in learned):
            break
        likely = model_selection.cross_val_predict(
            model, looks, labels, cv=learned, method="predict_proba"
        )
        teaches = likely[np.arange(len(labels)), np.searchsorted(classes, labels)] > 0.1
        # The model is not reliable at probabilities below a hundredth.
        chances[:] = np.log(likely.clip(min=0.01))
    return chances


def swapped_part(
    masks: pd.DataFrame, chances: pd.DataFrame
) -> tuple[pd.DataFrame, str]:
    """Return the masks of two classes that have exchanged names, and the evidence.

    `masks` are those of a scan by slice, `chances` (N, 2) their log probabilities. With
    too few cases to know how classes look, only names that change in the scan are
    found. If no names are swapped, no masks are returned.
    """
    one, other = chances.columns
    favour = chances[other] - chances[one]
    favour = favour.where(masks["class"] == one, -favour)
    renamed = _renamed(masks, favour)
    # A change of names is stronger evidence than any look.
    by_slice = (favour + _SURE * renamed - _DOUBT).groupby(masks["number"]).sum()
    # The stretch with the largest sum begins after the lowest sum before its end.
    sums = np.append(0, by_slice.cumsum())
    last = int((sums[1:] - np.minimum.accumulate(sums)[:-1]).argmax())
    first = int(sums[: last + 1].argmin())
    part = masks[masks["number"].between(by_slice.index[first], by_slice.index[last])]
    if renamed[part.index].any():
        return part, "the two names change places between neighbouring slices"
    by_class = favour[part.index].groupby(part["class"])
    both = (by_class.mean() >= _FAVOUR) & (by_class.count() >= _FEWEST_MASKS)
    return part if both.sum() == 2 else part[:0], "each looks like the other class"


def _renamed(masks: pd.DataFrame, favour: pd.Series) -> pd.Series:
    """Return which masks (N,) have the name of the other class.

    Names change at a mask that continues the other class's mask and not its own. Of the
    stretches between changes every second one is renamed: those with more `favour`.
    """
    continues = masks["other"].isin(masks["class"]) & (masks["cross"] >= RENAMED)
    changes = masks["number"][continues & ~(masks["dice"] >= _OWN_NAME)].unique()
    before = (masks["number"].to_numpy()[:, None] >= changes).sum(axis=1)
    odd = favour.notna() & (before % 2 == 1)
    return ~odd if favour[odd].mean() < favour[~odd].mean() else odd
