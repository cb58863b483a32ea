"""The volumes of a fold as every peer gets them: a file that needs only NumPy."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """A scan's name, image float32 (D, H, W) as it is stored, and mm between voxels."""

    name: str
    image: np.ndarray
    spacing_mm: tuple[float, float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What a peer trains on: scans with labels uint8 (D, H, W), 0 where there is none.

    `largest` is the largest depth, height and width of these and the held-out scans.
    `folder` is empty and for the peer's own files. `settings` are for this project: the
    data folder, its work folder, the fold and the experiment.
    """

    scans: Sequence[Scan]
    labels: Sequence[np.ndarray]
    classes: Sequence[str]
    largest: tuple[int, int, int]
    folder: pathlib.Path
    settings: dict


Predict = Callable[[Scan], np.ndarray]
Labelled = tuple[list[Scan], list[np.ndarray]]


def write(path: pathlib.Path, parts: dict[str, Labelled], about: dict) -> None:
    """Write the scans and labels of the parts "training" and "held_out"."""
    arrays, names = {}, {}
    for part, (scans, labels) in parts.items():
        names[part] = [(scan.name, scan.spacing_mm) for scan in scans]
        for scan, label in zip(scans, labels, strict=True):
            arrays[f"{scan.name}.image"] = scan.image.astype(np.float32)
            arrays[f"{scan.name}.labels"] = label.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**about, "parts": names}
    # Under another name first: a killed call leaves no half of a file.
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
    part.replace(path)


def read(path: pathlib.Path) -> tuple[dict[str, Labelled], dict]:
    """Read what `write` wrote: scans and labels by part, and what is known of them."""
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        parts = {}
        for part, names in about.pop("parts").items():
            images = [
                Scan(name, stored[f"{name}.image"], tuple(spacing))
                for name, spacing in names
            ]
            parts[part] = images, [stored[f"{name}.labels"] for name, _ in names]
    return parts, about


def largest(parts: dict[str, Labelled]) -> tuple[int, int, int]:
    """Return the largest depth, height and width of the scans of all parts."""
    shapes = [scan.image.shape for scans, _ in parts.values() for scan in scans]
    depth, height, width = np.max(shapes, axis=0)
    return int(depth), int(height), int(width)


def dice(truth: np.ndarray, predicted: np.ndarray, classes: int) -> list[float]:
    """Return the 3D Dice of each class; NaN if truth and prediction are empty."""
    values = []
    for label in range(1, classes + 1):
        a, b = truth == label, predicted == label
        both = int(a.sum()) + int(b.sum())
        values.append(2 * int((a & b).sum()) / both if both else float("nan"))
    return values


def mean_dice(
    predict: Predict, labelled: Labelled, classes: int, most: int = 0
) -> list[float]:
    """Return each class's mean Dice over scans, or over `most` spread evenly."""
    scans, labels = labelled
    count = min(most or len(scans), len(scans))
    values = []
    for number in np.linspace(0, len(scans) - 1, count).round().astype(int):
        predicted = predict(scans[number])
        if predicted.shape != labels[number].shape:
            raise ValueError(
                f"{scans[number].name}: a peer must predict labels of the shape "
                f"{labels[number].shape}. Received: {predicted.shape}. "
                "Mend its adapter."
            )
        values.append(dice(labels[number], predicted, classes))
    return [float(value) for value in np.nanmean(values, axis=0)]
