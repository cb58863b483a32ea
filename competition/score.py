"""Step 7: compute the competition's score of a submission, or of a run out of fold."""

import functools
import itertools
import operator
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import (
    blending,
    calibration,
    console,
    files,
    masks,
    metric,
    problems,
    rules,
    slice_scores,
)
from competition.core.data import (
    annotations,
    arrays,
    images,
    mask_csv,
    png,
    slice_spacing,
    slice_table,
)
from competition.core.experiment import layout, predicted, runs
from competition.machine import threads

if TYPE_CHECKING:
    import pandas as pd

Measured = dict[str, metric.ScanMeasurement]


def of_submission(
    truth: pathlib.Path, submission: pathlib.Path, *, data: pathlib.Path
) -> dict[str, Any]:
    """Score the masks of `submission` against those of `truth`.

    The truth defines ids and classes; a missing prediction counts as an empty mask. The
    shapes come from the PNGs in `data`.
    """
    expected, received = _read(truth, submission)
    names = annotations.classes(expected)
    true, predicted = annotations.group(expected), annotations.group(received)
    scans, distances = _find_scans(data, truth, expected), slice_spacing.read(data)

    def measure(scan: str) -> metric.ScanMeasurement:
        slices = scans[scan]
        _check_shapes(data, slices)
        bits = []
        for path, rows in ((truth, true[scan]), (submission, predicted.get(scan, {}))):
            decoded, faults = annotations.decode(path, rows, slices, names)
            problems.raise_if_any(faults)
            bits.append(decoded)
        z = distances.get(scan, slice_spacing.SPACING_Z_MM)
        spacing = z, slices[0].spacing_y_mm, slices[0].spacing_x_mm
        return metric.measure(*bits, classes=len(names), spacing_mm=spacing)

    measured = threads.for_all(measure, scans, "score")
    return metric.summarise(dict(zip(scans, measured, strict=True)), names)


def of_run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    data: pathlib.Path,
    truth: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Score a run out of fold and, if `truth` is given, its submission.

    The scores out of fold have the `calibration` of each class's probabilities. The
    scores under `nested` use rules that were chosen without the fold of each scan.
    """
    with runs.held(run, doing="scoring", dataset=dataset):
        table = slice_table.read(dataset)
        predicted.check(run, table)
        # This may fail, so it comes first: the files written below belong together.
        submission = None
        if truth:
            files.require(run.files.submission, "submit")
            submission = of_submission(truth, run.files.submission, data=data)
        measured, nested, calibrated = _measure_held_out(dataset, run, table)
        # The table is written first: score.json holds its digest.
        digest = _write_slices(run, table, measured)
        classes = run.classes
        scores = {
            "oof": {**metric.summarise(measured, classes), "calibration": calibrated},
            "nested": metric.summarise(nested, classes) if nested else None,
            "slices": digest,
            "decision": files.file_digest(run.files.decision),
            "submission": submission,
        }
        files.write_sealed(run.files.score, scores)
        return scores


def _measure_held_out(
    dataset: layout.DatasetFiles, run: runs.Run, table: "pd.DataFrame"
) -> tuple[Measured, Measured, dict[str, Any]]:
    """Measure the held-out scans by the rules, then by the nested ones.

    Nested rules were chosen without the fold of the scan; a scan without such rules is
    left out there. The calibration of each class is returned last.
    """
    path, classes = run.files.decision, run.classes
    class_rules = rules.read(path, classes, run.config.members)
    nested_rules = rules.read_nested(path, classes, run.config.members)
    store, spacings = arrays.Arrays(dataset), slice_table.spacings(table)
    counts = np.zeros((len(classes), 2, calibration.VALUES), int)
    measured: Measured = {}
    nested: Measured = {}
    scans = slice_table.held_out_scans(table, runs.trained_folds(run))
    for scan in console.track(scans, "score"):
        truth = store.masks(scan)
        predictions = blending.out_of_fold(run, scan)

        compare = functools.partial(
            metric.measure, truth, classes=len(classes), spacing_mm=spacings[scan]
        )
        measured[scan] = compare(blending.decide(predictions, class_rules))
        if tested := nested_rules.get(scan):
            nested[scan] = (
                measured[scan]
                if tested == class_rules
                else compare(blending.decide(predictions, tested))
            )
        for index, rule in enumerate(class_rules):
            probability = predictions.probability(index, rule.weights)
            counts[index] += calibration.count(probability, masks.plane(truth, index))
    calibrated = map(calibration.summarise, counts)
    return measured, nested, dict(zip(classes, calibrated, strict=True))


def _write_slices(run: runs.Run, table: "pd.DataFrame", measured: Measured) -> str:
    """Write the table of the predictions by slice, and return its digest."""
    numbers = table.sort_values("index").groupby("scan")["slice"].agg(list)
    listed: list[tuple[object, ...]] = []
    for scan, one in measured.items():
        listed += slice_scores.rows(
            scan, one, classes=run.classes, numbers=numbers[scan]
        )
    return slice_scores.write(run.files, listed)


def _read(
    truth: pathlib.Path, path: pathlib.Path
) -> tuple[list[mask_csv.Row], list[mask_csv.Row]]:
    """Read both tables; an id or a class that the truth does not have is an error."""
    expected, received = mask_csv.read(truth, None), mask_csv.read(path, None)
    ids = {row.id for row in expected}
    names = annotations.classes(expected)
    for row in received:
        if row.id not in ids:
            raise ValueError(
                f"{path}, row {row.number}: the id {row.id} is not in {truth}. "
                "Remove the row or score against another truth."
            )
        if row.class_name not in names:
            raise ValueError(
                f"{path}, row {row.number}: expected one of the classes "
                f"{', '.join(names)}, received {row.class_name!r}. Correct the row."
            )
    return expected, received


def _find_scans(
    data: pathlib.Path, truth: pathlib.Path, rows: list[mask_csv.Row]
) -> dict[str, list[images.Image]]:
    """Return the images of all rows by scan, in the order of the slices."""
    by_id = {i.id: i for part in ("train", "test") for i in images.find(data, part)}
    for row in rows:
        if row.id not in by_id:
            raise ValueError(
                f"{truth}, row {row.number}: no image of {row.id} under {data}/train "
                f"or {data}/test. Pass the data folder of this truth as `data`."
            )
    listed = [by_id[id] for id in dict.fromkeys(row.id for row in rows)]
    by_scan = operator.attrgetter("scan")
    listed.sort(key=operator.attrgetter("scan", "slice"))
    return {scan: [*group] for scan, group in itertools.groupby(listed, by_scan)}


def _check_shapes(data: pathlib.Path, scan: list[images.Image]) -> None:
    height, width = scan[0].shape
    for image in scan:
        received = png.shape(data / image.path)
        if received != scan[0].shape:
            raise ValueError(
                f"{data / image.path}: expected {width} x {height} pixels (width x "
                f"height) by the name of {pathlib.Path(scan[0].path).name}, received "
                f"{received[1]} x {received[0]}. Restore the scan from the download."
            )
