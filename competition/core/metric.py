"""The competition's score: Dice by slice, and the exact Hausdorff distance by scan.

Two readings of the Hausdorff distance are in use: `per_class` measures each class in
voxels, `merged` all classes together, in a volume scaled to a unit cube. IoU is also
reported, and Dice as in papers: there a slice that is empty in truth and prediction
counts as 1.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from competition.core.regions import cropped_masks, distance
from competition.core.regions.cropped_masks import CroppedMask

Value = TypeVar("Value", float, np.ndarray)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ClassComparison:
    """One class of one scan: overlaps by slice (D,) and in 3D, normalised distances.

    A value is NaN if truth and prediction are both empty; means leave it out.
    `surface_mm` is NaN if one of them is empty, since there is no surface to measure.
    `pixels` (2, D) counts the pixels of truth and of prediction in each slice.
    """

    dice: np.ndarray
    dice_3d: float
    iou: np.ndarray
    iou_3d: float
    hausdorff_per_class: float
    hausdorff_merged: float
    surface_mm: float
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScanMeasurement:
    """One scan: the comparison of each class, and the distance of all together."""

    by_class: tuple[ClassComparison, ...]
    hausdorff_merged: float

    def to_json(self) -> dict[str, Any]:
        """Return the measurement as JSON values; `from_json` reads them back."""
        by_class = [
            {name: np.asarray(value).tolist() for name, value in each.items()}
            for each in map(dataclasses.asdict, self.by_class)
        ]
        return {"by_class": by_class, "hausdorff_merged": self.hausdorff_merged}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ScanMeasurement":
        """Return the measurement from the values that `to_json` returned."""
        by_class: list[dict[str, Any]] = [
            {name: np.array(value)[()] for name, value in each.items()}
            for each in values["by_class"]
        ]
        compared = tuple(ClassComparison(**each) for each in by_class)
        return cls(compared, values["hausdorff_merged"])


def measure(
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    classes: int,
    spacing_mm: distance.Spacing | None = None,
) -> ScanMeasurement:
    """Compare the true and the predicted mask bits (D, H, W) of a scan.

    Surfaces are compared only if `spacing_mm`, the voxel spacing by axis, is known.
    """
    if truth.shape != predicted.shape:
        raise ValueError(
            "Truth and prediction must have one shape. Received: "
            f"truth {truth.shape}, prediction {predicted.shape}. Restore the native "
            "size."
        )
    true_organs, true_union = cropped_masks.cut(truth, classes)
    organs, union = cropped_masks.cut(predicted, classes)
    by_class = tuple(
        _compare(*pair, spacing_mm) for pair in zip(true_organs, organs, strict=True)
    )
    # A single class is its own union: its merged distance is known already.
    merged = (
        by_class[0].hausdorff_merged if classes == 1 else _merged(true_union, union)
    )
    return ScanMeasurement(by_class, merged)


def _compare(
    truth: CroppedMask, predicted: CroppedMask, spacing_mm: distance.Spacing | None
) -> ClassComparison:
    both = cropped_masks.common(truth, predicted)
    total = truth.counts + predicted.counts
    # If both are empty, 0 / 0 gives NaN.
    with np.errstate(invalid="ignore"):
        return ClassComparison(
            dice=2 * both / total,
            dice_3d=float(2 * both.sum() / total.sum()),
            iou=both / (total - both),
            iou_3d=float(both.sum() / (total - both).sum()),
            hausdorff_per_class=per_class(truth, predicted),
            hausdorff_merged=_merged(truth, predicted),
            surface_mm=_surface(truth, predicted, spacing_mm),
            pixels=np.stack([truth.counts, predicted.counts]),
        )


def _surface(
    truth: CroppedMask, predicted: CroppedMask, spacing_mm: distance.Spacing | None
) -> float:
    if not spacing_mm or truth.empty or predicted.empty:
        return float("nan")
    return distance.mean_surface(truth, predicted, spacing_mm)


def per_class(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Return the Hausdorff distance in voxels as a share of the volume's diagonal.

    It is NaN if both masks are empty, and 1 if only one is.
    """
    if truth.empty or predicted.empty:
        return float("nan") if truth.empty and predicted.empty else 1.0
    diagonal = np.linalg.norm(truth.shape)
    return float(distance.hausdorff(truth, predicted, distance.VOXELS) / diagonal)


def _merged(truth: CroppedMask, predicted: CroppedMask) -> float:
    """Return the Hausdorff distance in a unit cube as a share of the cube's diagonal.

    It is NaN if both masks are empty. It is 1 if only one is, or if the prediction has
    more than ten times the voxels of the truth.
    """
    if truth.empty or predicted.empty:
        return float("nan") if truth.empty and predicted.empty else 1.0
    if predicted.counts.sum() > 10 * truth.counts.sum():
        return 1.0
    spacing = tuple(1 / size for size in truth.shape)
    return float(distance.hausdorff(truth, predicted, spacing) / np.sqrt(3))


_MEANS = "dice", "dice_3d", "iou", "iou_3d", "hausdorff_per_class", "surface_mm"


def summarise(
    measured: Mapping[str, ScanMeasurement], class_names: Sequence[str]
) -> dict[str, Any]:
    """Return the scores of all scans: pooled, by class, and by scan and class.

    NaN values are left out, but count as 1 in `dice_with_empty`; the mean of no values
    is None. `slices` is the number of slices that Dice counts. `merged_by_scan` has the
    distance of all classes of a scan together.
    """
    by_scan = {
        scan: dict(zip(class_names, measurement.by_class, strict=True))
        for scan, measurement in measured.items()
    }
    pooled = [one for by_class in by_scan.values() for one in by_class.values()]
    return {
        **_scores(pooled, [one.hausdorff_merged for one in measured.values()]),
        "by_class": {
            name: _alone([by_class[name] for by_class in by_scan.values()])
            for name in class_names
        },
        "by_scan": {
            scan: {name: _alone([one]) for name, one in by_class.items()}
            for scan, by_class in by_scan.items()
        },
        "merged_by_scan": {
            scan: _known(one.hausdorff_merged) for scan, one in measured.items()
        },
    }


def _alone(comparisons: list[ClassComparison]) -> dict[str, Any]:
    """Return the scores of one class; its merged distance is that of the class."""
    return _scores(comparisons, [one.hausdorff_merged for one in comparisons])


def _scores(
    comparisons: list[ClassComparison], merged_distances: list[float]
) -> dict[str, Any]:
    means = {
        # All slices have the same weight, whatever their scan and class.
        name: _mean(getattr(one, name) for one in comparisons)
        for name in _MEANS
    }
    means["dice_with_empty"] = _mean(
        np.nan_to_num(c.dice, nan=1.0) for c in comparisons
    )
    means["hausdorff_merged"] = _mean(merged_distances)
    for reading in ("per_class", "merged"):
        hausdorff = means[f"hausdorff_{reading}"]
        means[f"score_{reading}"] = combined(means["dice"], hausdorff)
    counted = sum(int(np.count_nonzero(~np.isnan(one.dice))) for one in comparisons)
    return {name: _known(mean) for name, mean in means.items()} | {"slices": counted}


def combined(dice: Value, hausdorff: Value) -> Value:
    """Return the competition's score of a mean Dice and a mean Hausdorff distance."""
    return 0.4 * dice + 0.6 * (1 - hausdorff)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _mean(values: Iterable[np.ndarray | float]) -> float:
    array = np.hstack([[], *values])
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else float("nan")
