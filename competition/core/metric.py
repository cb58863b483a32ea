"""The competition's score: Dice by slice, Hausdorff by scan in both readings, exact.

Two readings of the competition's Hausdorff distance are in use: per class in voxels,
and of all classes merged in parts of the volume. IoU is reported beside Dice.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from competition.core.regions import cropped_masks, distance
from competition.core.regions.cropped_masks import CroppedMask


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class PreparedTruth:
    """The organs of a scan's truth by class, and the union of all of them."""

    organs: tuple[CroppedMask, ...]
    merged: CroppedMask


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ClassComparison:
    """One class of one scan: overlaps by slice (D,) and in 3D, normalised distances.

    NaN stands where truth and prediction are both empty; a mean skips this value.
    """

    dice: np.ndarray
    dice_3d: float
    iou: np.ndarray
    iou_3d: float
    hausdorff_per_class: float
    hausdorff_merged: float


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScanMeasurement:
    """One scan: the comparison of each class, and the distance of all merged."""

    by_class: tuple[ClassComparison, ...]
    hausdorff_merged: float


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Dice of two boolean masks of one shape; NaN where both are empty."""
    _check_shapes(truth.shape, predicted.shape)
    both = np.count_nonzero(truth & predicted)
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * both / total if total else float("nan")


def hausdorff(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the symmetric Hausdorff distance in voxels of two masks (D, H, W).

    It is 0.0 where both are empty and infinite where one is.
    """
    _check_shapes(truth.shape, predicted.shape)
    one = prepare(truth.view(np.uint8), classes=1).merged
    other = prepare(predicted.view(np.uint8), classes=1).merged
    if one.empty or other.empty:
        return 0.0 if one.empty and other.empty else float("inf")
    return distance.hausdorff(one, other, distance.VOXELS)


def prepare(bits: np.ndarray, *, classes: int) -> PreparedTruth:
    """Crop the classes out of mask bits (D, H, W), to be compared more than once."""
    organs, union = cropped_masks.cut(bits, classes)
    return PreparedTruth(tuple(organs), union)


def measure(
    truth: PreparedTruth | np.ndarray,
    predicted: np.ndarray,
    *,
    classes: int | None = None,
) -> ScanMeasurement:
    """Compare two masks of a scan, bits (D, H, W); `truth` may be a prepared one."""
    if not isinstance(truth, PreparedTruth):
        if classes is None:
            raise ValueError("`classes` must be given where the truth is not prepared.")
        truth = prepare(truth, classes=classes)
    _check_shapes(truth.merged.shape, predicted.shape)
    other = prepare(predicted, classes=len(truth.organs))
    by_class = tuple(map(compare, truth.organs, other.organs))
    if len(by_class) == 1:
        return ScanMeasurement(by_class, by_class[0].hausdorff_merged)
    return ScanMeasurement(by_class, merged(truth.merged, other.merged))


def compare(truth: CroppedMask, predicted: CroppedMask) -> ClassComparison:
    """Compare one class of one scan."""
    both = cropped_masks.common(truth, predicted)
    total = truth.counts + predicted.counts
    # 0 / 0 is the NaN of what is empty in both.
    with np.errstate(invalid="ignore"):
        return ClassComparison(
            dice=2 * both / total,
            dice_3d=float(2 * both.sum() / total.sum()),
            iou=both / (total - both),
            iou_3d=float(both.sum() / (total - both).sum()),
            hausdorff_per_class=per_class(truth, predicted),
            hausdorff_merged=merged(truth, predicted),
        )


def per_class(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Return the Hausdorff distance in voxels as a part of the volume's diagonal.

    It is NaN where both are empty and 1 where one is.
    """
    if truth.empty or predicted.empty:
        return float("nan") if truth.empty and predicted.empty else 1.0
    diagonal = np.linalg.norm(truth.shape)
    return float(distance.hausdorff(truth, predicted, distance.VOXELS) / diagonal)


def merged(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Return the Hausdorff distance in a unit cube as a part of the cube's diagonal.

    It is NaN where both are empty, and 1 where one is or where the prediction has more
    than ten times the voxels of the truth.
    """
    if truth.empty or predicted.empty:
        return float("nan") if truth.empty and predicted.empty else 1.0
    if predicted.counts.sum() > 10 * truth.counts.sum():
        return 1.0
    spacing = tuple(1 / size for size in truth.shape)
    return float(distance.hausdorff(truth, predicted, spacing) / np.sqrt(3))


def summarise(
    measured: Mapping[str, ScanMeasurement], class_names: Sequence[str]
) -> dict[str, Any]:
    """Return the scores of all scans: pooled, by class, and by scan and class.

    Values that are skipped count nowhere; the mean of no values is None.
    """
    by_scan = {
        scan: dict(zip(class_names, measurement.by_class, strict=True))
        for scan, measurement in measured.items()
    }
    pooled = [one for by_class in by_scan.values() for one in by_class.values()]
    distances = [measurement.hausdorff_merged for measurement in measured.values()]
    scores: dict[str, Any] = _scores(pooled, distances)
    scores["by_class"] = {
        name: _alone([by_class[name] for by_class in by_scan.values()])
        for name in class_names
    }
    scores["by_scan"] = {
        scan: {name: _alone([one]) for name, one in by_class.items()}
        for scan, by_class in by_scan.items()
    }
    return scores


def _alone(comparisons: list[ClassComparison]) -> dict[str, float | None]:
    """Return the scores of one class, whose merged distance is its own."""
    return _scores(comparisons, [one.hausdorff_merged for one in comparisons])


def _scores(
    comparisons: list[ClassComparison], merged_distances: list[float]
) -> dict[str, float | None]:
    # Slices count alike whichever scan or class they are of.
    dice = _mean(value for one in comparisons for value in one.dice)
    hausdorff_per_class = _mean(one.hausdorff_per_class for one in comparisons)
    hausdorff_merged = _mean(merged_distances)
    return {
        "dice": dice,
        "dice_3d": _mean(one.dice_3d for one in comparisons),
        "iou": _mean(value for one in comparisons for value in one.iou),
        "iou_3d": _mean(one.iou_3d for one in comparisons),
        "hausdorff_per_class": hausdorff_per_class,
        "hausdorff_merged": hausdorff_merged,
        "score_per_class": _combine(dice, hausdorff_per_class),
        "score_merged": _combine(dice, hausdorff_merged),
    }


def _combine(dice: float | None, hausdorff: float | None) -> float | None:
    if dice is None or hausdorff is None:
        return None
    return 0.4 * dice + 0.6 * (1 - hausdorff)


def _mean(values: Iterable[float]) -> float | None:
    array = np.fromiter(values, float)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else None


def _check_shapes(truth: tuple[int, ...], predicted: tuple[int, ...]) -> None:
    if truth != predicted:
        raise ValueError(
            "Truth and prediction must have one shape. Received: "
            f"truth {truth}, prediction {predicted}. Restore the native size."
        )
