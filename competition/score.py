"""Step 7: the competition's score of a submission, or of a run out of fold."""

import os
import pathlib
from collections.abc import Iterable
from concurrent import futures
from typing import TYPE_CHECKING, Any

from rich import progress

from competition.core import console, files, masks, metric, problems, rules
from competition.core.data import annotations, arrays, images, mask_csv, slice_table

if TYPE_CHECKING:
    from competition.core.experiment import layout, runs


def run(
    truth: pathlib.Path, submission: pathlib.Path, *, data: pathlib.Path
) -> dict[str, Any]:
    """Score the masks of `submission` by those of `truth`.

    Ids and classes are the truth's; a prediction that is missing is empty. Shapes come
    from the PNGs in `data`.
    """
    expected, received = _read(truth, submission)
    names = annotations.classes(expected)
    true, predicted = annotations.group(expected), annotations.group(received)
    found = _find(data, truth, expected)

    def measure(scan: str) -> metric.ScanMeasurement:
        slices = found[scan]
        _check_shapes(data, slices)
        return metric.measure(
            _decode(truth, true[scan], slices, names),
            _decode(submission, predicted.get(scan, {}), slices, names),
            classes=len(names),
        )

    # A scan at a time in each thread, so that memory does not grow with the scans.
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = progress.track(
            pool.map(measure, found), "score", total=len(found), console=console.ERR
        )
        measured = dict(zip(found, results, strict=True))
    return metric.summarise(measured, names)


def of_run(
    dataset: "layout.DatasetFiles",
    scored: "runs.Run",
    *,
    data: pathlib.Path,
    truth: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Score a run out of fold and, where the truth is known, its submission."""
    # Late, since the config's library would slow the start of `run`.
    from competition.core import blending
    from competition.core.experiment import runs

    table = slice_table.read(dataset.slices)
    scans = slice_table.held_out_scans(table, runs.trained_folds(scored))
    store = arrays.Arrays(dataset)
    rule = rules.read(scored.files.decision, scored.classes)
    measured = {}
    for scan in progress.track(scans, "score", console=console.ERR):
        predicted = blending.decide(blending.out_of_fold(scored, scan), rule)
        measured[scan] = metric.measure(
            store.masks(scan), predicted, classes=len(scored.classes)
        )
    scores = {
        "oof": metric.summarise(measured, scored.classes),
        "submission": run(truth, scored.files.submission, data=data) if truth else None,
    }
    files.write_json(scored.files.score, scores)
    return scores


def _read(
    truth: pathlib.Path, path: pathlib.Path
) -> tuple[list[mask_csv.Row], list[mask_csv.Row]]:
    """Read both tables; what the truth does not know is an error."""
    expected = mask_csv.read(truth, None)
    received = mask_csv.read(path, None)
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


def _find(
    data: pathlib.Path, truth: pathlib.Path, rows: Iterable[mask_csv.Row]
) -> dict[str, list[images.Image]]:
    """The images of all rows by scan, slices ascending."""
    by_id = {i.id: i for part in ("train", "test") for i in images.find(data, part)}
    first = {row.id: row.number for row in reversed(list(rows))}
    found: dict[str, list[images.Image]] = {}
    for id, number in first.items():
        if id not in by_id:
            raise ValueError(
                f"{truth}, row {number}: no image of {id} under {data}/train or "
                f"{data}/test. Check --data."
            )
        found.setdefault(by_id[id].scan, []).append(by_id[id])
    return {
        scan: sorted(found[scan], key=lambda image: image.slice)
        for scan in sorted(found)
    }


def _check_shapes(data: pathlib.Path, scan: list[images.Image]) -> None:
    expected = scan[0].shape
    for image in scan:
        received = images.shape(data / image.path)
        if received != expected:
            raise ValueError(
                f"{data / image.path}: expected {expected[1]} x {expected[0]} pixels "
                f"(width x height) as {pathlib.Path(scan[0].path).name} says, received "
                f"{received[1]} x {received[0]}. Restore the scan from the download."
            )


def _decode(
    path: pathlib.Path,
    rows: dict[str, list[mask_csv.Row]],
    scan: list[images.Image],
    names: list[str],
) -> masks.Bits:
    """Decode one scan's rows of the table at `path` into mask bits (D, H, W)."""
    bits, faults = annotations.decode(path, rows, scan, names)
    problems.raise_if_any(faults)
    return bits
