"""What the networks are worth shows only beside the simple ways, scored alike."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import console, files, geometry, masks, metric
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout
from competition.core.regions import components
from competition.study.baseline import classifiers, features, superpixels

if TYPE_CHECKING:
    import pandas as pd

# So many pixels or superpixels of a training slice are learned from.
SAMPLED = 150
SMALLEST = 200

Row = Mapping[Any, Any]


@dataclasses.dataclass(frozen=True)
class BaselineStudy:
    """What a simple way works on, and whether by pixels or by superpixels."""

    store: arrays.Arrays
    experiment: configs.Config
    classes: int
    joined: bool


def run(
    dataset: layout.DatasetFiles, method: str, *, experiment: configs.Config
) -> dict[str, Any]:
    """Score a simple way out of fold, in the experiment's folds and at its size.

    Writes `baselines/<method>.json` and returns what is in it.
    """
    if method not in classifiers.METHODS:
        known = list(classifiers.METHODS)
        raise ValueError(
            f"Unknown baseline {method!r}.{configs.nearest(method, known)} "
            f"Known: {', '.join(known)}."
        )
    table = slice_table.read(dataset.slices)
    names = files.read_json(dataset.manifest)["classes"]
    study = BaselineStudy(
        arrays.Arrays(dataset), experiment, len(names), method == "hierarchical"
    )
    measured: dict[str, metric.ScanMeasurement] = {}
    for fold in sorted(set(experiment.folds) & set(table["fold"])):
        inputs, truth = _sample(study, slice_table.training(table, fold))
        predict = classifiers.METHODS[method](inputs, truth, experiment.seed)
        measured |= _score(study, slice_table.held_out(table, fold), predict)
    result = {"method": method, **metric.summarise(measured, names)}
    files.write_json(dataset.root / "baselines" / f"{method}.json", result)
    return result


def _sample(
    study: BaselineStudy, table: "pd.DataFrame"
) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, F) and truth (N, C) of some pixels of every slice."""
    random = np.random.default_rng(study.experiment.seed)
    inputs, truth = [], []
    rows = table.to_dict("records")
    for row in progress.track(rows, "sample", console=console.ERR):
        seen, parts = _see(study, row)
        bits = np.asarray(study.store.masks(row["scan"])[row["index"]])
        bits = geometry.fit_mask(bits, study.experiment.geometry)
        planes = masks.unpack(bits, study.classes).reshape(-1, study.classes)
        if parts is not None:
            planes = superpixels.mean(planes.astype(np.float32), parts) > 0.5
        chosen = random.permutation(len(seen))[:SAMPLED]
        inputs.append(seen[chosen])
        truth.append(planes[chosen])
    return np.concatenate(inputs), np.concatenate(truth)


def _score(
    study: BaselineStudy, table: "pd.DataFrame", predict: classifiers.Predict
) -> dict[str, metric.ScanMeasurement]:
    """Predict and measure every scan of the table."""
    measured = {}
    scans = progress.track(slice_table.scans(table), "predict", console=console.ERR)
    for scan in scans:
        rows = table[table["scan"] == scan].to_dict("records")
        planes = np.stack([_predict(study, row, predict) for row in rows])
        for c in range(study.classes):
            planes[..., c] = components.drop_small(planes[..., c], SMALLEST)
        measured[scan] = metric.measure(
            study.store.masks(scan), masks.pack(planes), classes=study.classes
        )
    return measured


def _predict(
    study: BaselineStudy, row: Row, predict: classifiers.Predict
) -> np.ndarray:
    """The masks (H, W, C) of one slice at its native size."""
    shape = study.experiment.geometry
    seen, parts = _see(study, row)
    planes = predict(seen)
    if parts is not None:
        planes = planes[parts]
    planes = planes.reshape(shape.height, shape.width, study.classes)
    native = row["height"], row["width"]
    return geometry.restore(planes.astype(np.float32), native, shape) >= 0.5


def _see(study: BaselineStudy, row: Row) -> tuple[np.ndarray, np.ndarray | None]:
    """The features (N, F) of a slice's pixels, or of its superpixels with their map."""
    low, high = ("low", "high")
    if study.experiment.intensity == "scan":
        low, high = ("scan_low", "scan_high")
    seen = features.of_slice(
        study.store.scan(row["scan"]),
        row["index"],
        (row[low], row[high]),
        study.experiment.geometry,
    )
    flat = seen.reshape(-1, seen.shape[-1])
    if not study.joined:
        return flat, None
    parts = superpixels.find(seen)
    return superpixels.mean(flat, parts), parts
