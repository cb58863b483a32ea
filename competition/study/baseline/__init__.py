"""Score simple methods as networks are scored, to compare networks with them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from competition.core import console, files, geometry, masks, metric
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, faults, layout, runs
from competition.core.regions import components
from competition.study.baseline import classifiers, features

# A training slice gives at most this many samples: pixels or superpixels.
_SAMPLES = 150
_SMALLEST = 200


@dataclasses.dataclass(frozen=True)
class BaselineStudy:
    """The data and experiment of a simple method, and whether it uses superpixels."""

    store: arrays.Arrays
    grids: dict[str, geometry.Grid]
    experiment: configs.Config
    classes: int
    superpixels: bool


def run(
    dataset: layout.DatasetFiles, method: str, *, experiment: configs.Config
) -> dict[str, Any]:
    """Score a simple method out of fold, in the experiment's folds and at its size.

    Writes `baselines/<method>.json` and returns its contents.
    """
    if method not in classifiers.METHODS:
        known = list(classifiers.METHODS)
        raise ValueError(
            f"Unknown baseline {method!r}.{faults.nearest(method, known)} "
            f"Known: {', '.join(known)}."
        )
    if experiment.folds == layout.ALL or experiment.axis != "z":
        raise ValueError(
            "A baseline needs an experiment whose folds hold scans out, and slices "
            f"across z. Received: folds = {list(experiment.folds)}, axis = "
            f"{experiment.axis!r}. Choose another experiment."
        )
    table = slice_table.read(dataset)
    names = runs.prepared(dataset)["classes"]
    study = BaselineStudy(
        store=arrays.Arrays(dataset),
        grids=slice_table.grids(table),
        experiment=experiment,
        classes=len(names),
        superpixels=method == "hierarchical",
    )
    measured: dict[str, metric.ScanMeasurement] = {}
    for fold in sorted(set(experiment.folds) & set(table["fold"])):
        inputs, truth = _sample(study, slice_table.training(table, fold))
        predict = classifiers.fit(method, inputs, truth, experiment.seed)
        measured |= _score(study, slice_table.held_out(table, fold), predict)
    result = {"method": method, **metric.summarise(measured, names)}
    files.write_json(dataset.root / "baselines" / f"{method}.json", result)
    return result


def _sample(study: BaselineStudy, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, F) and truth (N, C) of some samples of every slice."""
    random = np.random.default_rng(study.experiment.seed)
    inputs, truth = [], []
    rows = table.to_dict("records")
    for row in console.track(rows, "sample"):
        samples, superpixels = _features(study, row)
        bits = study.store.masks(row["scan"])[row["index"]]
        to, grid = study.experiment.geometry, study.grids[row["scan"]]
        bits = geometry.fit_mask(np.asarray(bits), to, grid)
        planes = masks.unpack(bits, study.classes).reshape(-1, study.classes)
        if superpixels is not None:
            # A superpixel belongs to a class that covers more than half of it.
            planes = features.mean_by_superpixel(planes, superpixels) > 0.5
        chosen = random.permutation(len(samples))[:_SAMPLES]
        inputs.append(samples[chosen])
        truth.append(planes[chosen])
    return np.concatenate(inputs), np.concatenate(truth)


def _score(
    study: BaselineStudy, table: pd.DataFrame, predict: classifiers.Predict
) -> dict[str, metric.ScanMeasurement]:
    """Predict every scan of the table at its native size, and measure it."""
    measured, shape = {}, study.experiment.geometry
    scans = console.track(slice_table.scans(table), "predict")
    for scan in scans:
        slices = []
        for row in table[table["scan"] == scan].to_dict("records"):
            samples, superpixels = _features(study, row)
            planes = predict(samples)
            if superpixels is not None:
                planes = planes[superpixels]
            planes = planes.reshape(shape.height, shape.width, study.classes)
            planes = planes.astype("float32")
            restored = geometry.restore(planes, shape, study.grids[scan])
            slices.append(restored >= 0.5)
        volume = np.stack(slices)
        for c in range(study.classes):
            volume[..., c] = components.drop_small(volume[..., c], _SMALLEST)
        truth, predicted = study.store.masks(scan), masks.pack(volume)
        measured[scan] = metric.measure(truth, predicted, classes=study.classes)
    return measured


def _features(
    study: BaselineStudy, row: Mapping[Any, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the features (N, F) of a slice's pixels and None.

    With superpixels, return their features and the superpixel (h * w,) of every pixel.
    """
    prefix = "scan_" if study.experiment.intensity == "scan" else ""
    window = row[f"{prefix}low"], row[f"{prefix}high"]
    volume, shape = study.store.scan(row["scan"]), study.experiment.geometry
    grid = study.grids[row["scan"]]
    pixels = features.of_slice(volume, row["index"], window, shape, grid)
    samples = pixels.reshape(-1, pixels.shape[-1])
    if not study.superpixels:
        return samples, None
    superpixels = features.find_superpixels(pixels)
    return features.mean_by_superpixel(samples, superpixels), superpixels
