"""Step 4: the decision rule of each class, found on out-of-fold probabilities."""

import hashlib
import itertools
from typing import Any

from rich import progress

from competition.core import (
    arrays,
    console,
    files,
    layout,
    metric,
    probabilities,
    rules,
    runs,
    slices,
)


def run(dataset: layout.Dataset, run: runs.Run) -> dict[str, Any]:
    """Choose the best threshold and smallest component of each class.

    What was decided on the same probabilities and choices is kept.
    """
    table = slices.read(dataset.slices)
    scans = slices.held_out_scans(table, runs.trained(run))
    key = _key(run, scans)
    if run.files.decision.is_file():
        decision = files.read_json(run.files.decision)
        if decision["key"] == key:
            return dict(decision)
    measured = _measure(dataset, run, scans)
    best = [
        max(by_rule, key=lambda rule: _score(by_rule[rule], scans))
        for by_rule in measured
    ]
    decision = {"rules": rules.to_json(best, run.classes), "key": key}
    files.write_json(run.files.decision, decision)
    return decision


def _measure(
    dataset: layout.Dataset, run: runs.Run, scans: list[str]
) -> list[dict[rules.Rule, list[metric.Measured]]]:
    """Measure every rule of every class on every scan, a scan at a time."""
    store = arrays.Arrays(dataset)
    grid = [
        rules.Rule(threshold, voxels)
        for threshold, voxels in itertools.product(
            run.config.decide.thresholds, run.config.decide.voxels
        )
    ]
    measured: list[dict[rules.Rule, list[metric.Measured]]] = [
        {rule: [] for rule in grid} for _ in run.classes
    ]
    for scan in progress.track(scans, "decide", console=console.ERR):
        probability = probabilities.read(run.files.oof(scan))
        bits = store.masks(scan)
        for index, by_rule in enumerate(measured):
            truth = metric.prepare((bits >> index) & 1, classes=1)
            for rule in grid:
                mask = rules.decide(probability[..., index], rule)
                by_rule[rule].append(metric.measure(truth, mask.astype(bits.dtype)))
    return measured


def _score(measured: list[metric.Measured], scans: list[str]) -> float:
    by_scan = dict(zip(scans, measured, strict=True))
    return metric.summarise(by_scan, ("class",))["score_per_class"] or 0.0


def _key(run: runs.Run, scans: list[str]) -> str:
    made_by = [probabilities.made_by(run.files.oof(scan)) for scan in scans]
    return hashlib.sha256(repr((scans, made_by)).encode()).hexdigest()[:16]
