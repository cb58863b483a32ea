"""Step 5: the test folder becomes submission.csv, scan by scan, all folds averaged."""

import hashlib
import pathlib
from typing import Any

import numpy as np
from rich import progress

from competition.core import (
    console,
    files,
    images,
    masks,
    probabilities,
    problems,
    rle,
    rules,
    runs,
    submission,
)

Found = dict[str, list[images.Image]]
Encoded = dict[tuple[str, str], str]


def run(
    run: runs.Run, *, data: pathlib.Path, out: pathlib.Path | None = None
) -> dict[str, Any]:
    """Write the submission of a run for `data`; the same one is not written twice."""
    out = out or run.files.submission
    if not data.is_dir():
        raise ValueError(f"{data}: no such folder. Check --data.")
    folds = runs.trained(run)
    found: Found = {}
    for image in images.find(data, "test"):
        found.setdefault(image.scan, []).append(image)
    wanted = _wanted(data, found, run)
    found = _with_rows(found, wanted)
    key = _key(run, folds, found, wanted, data)
    # Beside the submission, for a run's folder on Kaggle cannot be written.
    log = out.with_name("submit.log")
    if out.is_file() and log.is_file() and files.read_json(log)["key"] == key:
        return dict(files.read_json(log))
    rows = _fill(wanted, _predict(run, folds, found, data) if wanted else {}, found)
    submission.write(out, rows)
    summary = {
        "submission": str(out),
        "rows": len(rows),
        "scans": len(found),
        "folds": folds,
        "key": key,
    }
    files.write_json(log, summary)
    return summary


def _wanted(data: pathlib.Path, found: Found, run: runs.Run) -> list[tuple[str, str]]:
    """The (id, class) of every row to write, in sample_submission's order."""
    path = data / "sample_submission.csv"
    if path.is_file():
        sample = submission.read(path, "predicted")
        if sample or not found:
            if not sample:
                console.note(f"{path} has no rows and there is no test: neither do we.")
            return [(row.id, row.class_name) for row in sample]
    ids = [image.id for scan in found.values() for image in scan]
    if not ids:
        console.note(f"{data} has no test: the submission is its header alone.")
    return [(id, name) for id in ids for name in run.classes]


def _with_rows(found: Found, wanted: list[tuple[str, str]]) -> Found:
    """The slices of the scans that rows are wanted for; the others are counted."""
    ids = {id for id, _ in wanted}
    surplus = sum(image.id not in ids for scan in found.values() for image in scan)
    if surplus:
        console.warn(
            f"{surplus} test slices have no row in the sample; they are ignored."
        )
    # A scan stays whole: its slices are each other's neighbours.
    return {
        name: scan
        for name, scan in found.items()
        if any(image.id in ids for image in scan)
    }


def _predict(
    run: runs.Run, folds: list[int], found: Found, data: pathlib.Path
) -> Encoded:
    """Predict, decide and encode the scans one by one."""
    from competition.net import inference

    rule = rules.read(run.files.decision, run.classes)
    networks = [
        inference.load(run.files.weights(fold), run.config, len(run.classes))
        for fold in folds
    ]
    encoded: Encoded = {}
    for slices in progress.track(found.values(), "submit", console=console.ERR):
        volume, _, faults = images.read_scan(data, slices)
        problems.stop(faults)
        windows = _windows(volume, run.config.intensity)
        probability = inference.predict_scan(networks, volume, windows, run.config)
        bits = rules.apply(probabilities.quantise(probability), rule)
        encoded |= _encode(bits, slices, run.classes)
    return encoded


def _windows(volume: np.ndarray, intensity: str) -> np.ndarray:
    """The (low, high) of each slice (D, 2), as `prepare` takes them."""
    ranges, scan_range = images.ranges(volume)
    each = [scan_range] * len(volume) if intensity == "scan" else ranges
    return np.array(each, np.float32)


def _encode(
    bits: masks.Bits, slices: list[images.Image], classes: tuple[str, ...]
) -> Encoded:
    return {
        (image.id, name): rle.encode(masks.plane(bits[position], index))
        for position, image in enumerate(slices)
        for index, name in enumerate(classes)
    }


def _fill(
    wanted: list[tuple[str, str]], encoded: Encoded, found: Found
) -> list[submission.Row]:
    """The rows in the wanted order; what has no prediction stays empty."""
    missing = sum(pair not in encoded for pair in wanted)
    if missing:
        console.warn(
            f"{missing} of {len(wanted)} rows have no image or a class that the run "
            "does not know; they stay empty."
        )
    return [
        submission.Row(line, id, name, encoded.get((id, name), ""))
        for line, (id, name) in enumerate(wanted, start=2)
    ]


def _key(
    run: runs.Run,
    folds: list[int],
    found: Found,
    wanted: list[tuple[str, str]],
    data: pathlib.Path,
) -> str:
    """A digest of all that the submission depends on."""
    stats = [(data / i.path).stat() for scan in found.values() for i in scan]
    decision = run.files.decision
    parts = (
        [runs.digest(run, fold) for fold in folds],
        decision.read_text() if decision.is_file() else "",
        wanted,
        [(stat.st_size, stat.st_mtime_ns) for stat in stats],
        str(data.resolve()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
