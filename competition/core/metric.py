"""The competition's score: Dice by slice, Hausdorff by scan in both readings, exact."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from competition.core.regions import distance
from competition.core.regions.cropped_masks import CroppedMask, common, cut


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class PreparedTruth:
    """The organs of a scan's truth by class, and all of them as one."""

    organs: tuple[CroppedMask, ...]
    merged: CroppedMask


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScanComparison:
    """One class of one scan: Dice by slice (D,), in 3D, and normalised distances.

    NaN says that truth and prediction are both empty, and that the value is skipped.
    """

    dice: np.ndarray
    dice_3d: float
    hausdorff_per_class: float
    hausdorff_merged: float


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScanMeasurement:
    """One scan: its classes, and the distance between all classes merged."""

    pairs: tuple[ScanComparison, ...]
    hausdorff_merged: float


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Dice of two boolean masks of one shape; NaN where both are empty."""
    _check_shapes(truth, predicted)
    both = np.count_nonzero(truth & predicted)
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * both / total if total else float("nan")


def hausdorff(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Symmetric Hausdorff distance in voxels of two boolean volumes (D, H, W).

    0.0 where both are empty, infinite where one is.
    """
    _check_shapes(truth, predicted)
    one = prepare(truth.view(np.uint8), classes=1).merged
    other = prepare(predicted.view(np.uint8), classes=1).merged
    if one.empty or other.empty:
        return 0.0 if one.empty and other.empty else float("inf")
    return distance.hausdorff(one, other, distance.VOXELS)


def prepare(bits: np.ndarray, *, classes: int) -> PreparedTruth:
    """Cut the classes out of mask bits (D, H, W); trees are built when first needed."""
    by_class, merged = cut(bits, classes)
    return PreparedTruth(tuple(by_class), merged)


def measure(
    truth: PreparedTruth | np.ndarray,
    predicted: np.ndarray,
    *,
    classes: int | None = None,
) -> ScanMeasurement:
    """Compare the mask bits (D, H, W) of a scan; `truth` may be prepared once."""
    if not isinstance(truth, PreparedTruth):
        if classes is None:
            raise ValueError("`classes` must be given where the truth is not prepared.")
        truth = prepare(truth, classes=classes)
    if truth.merged.shape != predicted.shape:
        raise ValueError(_shapes_differ(truth.merged.shape, predicted.shape))
    other = prepare(predicted, classes=len(truth.organs))
    pairs = tuple(map(compare, truth.organs, other.organs))
    if len(pairs) == 1:
        return ScanMeasurement(pairs, pairs[0].hausdorff_merged)
    return ScanMeasurement(pairs, merged(truth.merged, other.merged))


def compare(truth: CroppedMask, predicted: CroppedMask) -> ScanComparison:
    """Compare one class of one scan."""
    both = common(truth, predicted)
    total = truth.counts + predicted.counts
    with np.errstate(invalid="ignore"):
        by_slice = 2 * both / total
    whole = 2 * both.sum() / total.sum() if total.any() else float("nan")
    return ScanComparison(
        dice=by_slice,
        dice_3d=float(whole),
        hausdorff_per_class=per_class(truth, predicted),
        hausdorff_merged=merged(truth, predicted),
    )


def per_class(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Hausdorff in voxels by the volume's diagonal: NaN both empty, 1 one empty."""
    if truth.empty or predicted.empty:
        return float("nan") if truth.empty and predicted.empty else 1.0
    diagonal = np.linalg.norm(truth.shape)
    return float(distance.hausdorff(truth, predicted, distance.VOXELS) / diagonal)


def merged(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Hausdorff in parts of the volume by the unit cube's diagonal.

    NaN both empty; 1 where one is, or where the prediction is over 10 times as large.
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
    """The scores of all scans: pooled, by class, and by scan and class.

    Skipped values count nowhere; a mean of nothing is None.
    """
    pairs = {
        scan: dict(zip(class_names, result.pairs, strict=True))
        for scan, result in measured.items()
    }
    everything = [pair for by_class in pairs.values() for pair in by_class.values()]
    distances = [result.hausdorff_merged for result in measured.values()]
    scores: dict[str, Any] = _scores(everything, distances)
    scores["by_class"] = {
        name: _alone([by_class[name] for by_class in pairs.values()])
        for name in class_names
    }
    scores["by_scan"] = {
        scan: {name: _alone([pair]) for name, pair in by_class.items()}
        for scan, by_class in pairs.items()
    }
    return scores


def _alone(pairs: list[ScanComparison]) -> dict[str, float | None]:
    return _scores(pairs, [pair.hausdorff_merged for pair in pairs])


def _scores(
    pairs: list[ScanComparison], distances: list[float]
) -> dict[str, float | None]:
    dice = _mean(np.concatenate([pair.dice for pair in pairs]) if pairs else [])
    per_class = _mean([pair.hausdorff_per_class for pair in pairs])
    merged = _mean(distances)
    return {
        "dice": dice,
        "dice_3d": _mean([pair.dice_3d for pair in pairs]),
        "hausdorff_per_class": per_class,
        "hausdorff_merged": merged,
        "score_per_class": _combine(dice, per_class),
        "score_merged": _combine(dice, merged),
    }


def _combine(dice: float | None, distance: float | None) -> float | None:
    if dice is None or distance is None:
        return None
    return 0.4 * dice + 0.6 * (1 - distance)


def _mean(values: Iterable[float]) -> float | None:
    array = np.asarray(values, float)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else None


def _check_shapes(truth: np.ndarray, predicted: np.ndarray) -> None:
    if truth.shape != predicted.shape:
        raise ValueError(_shapes_differ(truth.shape, predicted.shape))


def _shapes_differ(truth: tuple[int, ...], predicted: tuple[int, ...]) -> str:
    return (
        "Truth and prediction must have one shape. "
        f"Received: truth {truth}, prediction {predicted}. Restore the native size."
    )
