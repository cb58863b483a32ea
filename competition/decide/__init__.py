"""Step 4: the decision rule of each class, found on out-of-fold probabilities."""

import dataclasses
import functools
import os
from concurrent import futures
from typing import Any

import numpy as np
from rich import progress

from competition.core import blending, console, files, metric, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs, schema
from competition.decide import rule_scores, search

# A decision of another version is made again.
VERSION = 2
# Beside the best threshold of the config, tried at the end.
_FINER = (-0.1, -0.05, 0.05, 0.1)


def run(dataset: layout.DatasetFiles, run: runs.Run) -> dict[str, Any]:
    """Search the rule of each class, and test the search on what it did not see.

    What was decided on the same probabilities and choices is kept.
    """
    folds = runs.trained_folds(run)
    table = slice_table.read(dataset.slices)
    scans = slice_table.held_out_scans(table, folds)
    key = _key(run, scans)
    if run.files.decision.is_file():
        decision = files.read_json(run.files.decision)
        if decision["key"] == key:
            return dict(decision)
    found = _search(dataset, run, table=table, scans=scans)
    _tell(found, run)
    decision = _to_json(found, run) | {"key": key}
    files.write_json(run.files.decision, decision)
    return decision


def steps(decide: schema.Decide, *, members: int) -> list[search.SearchStep]:
    """The steps of the search: what the config tries, coarse to fine."""
    chosen = [
        search.SearchStep(name, _replace(field, tuple(values)))
        for name, field, values in (
            ("threshold", "threshold", decide.thresholds),
            ("gate", "gate", (None, *decide.gates)),
            ("smooth", "smooth", (False, True) if decide.smooth else ()),
            ("pixels", "pixels", (0, *decide.pixels)),
            ("voxels", "voxels", (0, *decide.voxels)),
            ("largest", "largest", (0, *decide.largest)),
            ("holes", "holes", (False, True) if decide.holes else ()),
        )
        if set(values) - {None, 0}
    ]
    if decide.thresholds:
        chosen.append(search.SearchStep("threshold, finer", _finer))
    if members == 1 or not decide.weights:
        return chosen
    weighing = [
        search.SearchStep(
            f"weight {place + 1}", _reweigh(place, members, decide.weights)
        )
        for place in range(members)
    ]
    return weighing + chosen


def _replace(field: str, values: tuple[Any, ...]) -> search.Propose:
    def propose(rule: rules.Rule) -> list[rules.Rule]:
        return [
            dataclasses.replace(rule, **{field: value})
            for value in values
            if value != getattr(rule, field)
        ]

    return propose


def _finer(rule: rules.Rule) -> list[rules.Rule]:
    near = [round(rule.threshold + offset, 4) for offset in _FINER]
    return [dataclasses.replace(rule, threshold=t) for t in near if 0 < t < 1]


def _reweigh(place: int, members: int, values: tuple[float, ...]) -> search.Propose:
    def propose(rule: rules.Rule) -> list[rules.Rule]:
        rows = []
        for value in values:
            weights = [*rule.weights] or [1.0] * members
            # Beside the others' mean, so that rounds of steps do not drift.
            others = (sum(weights) - weights[place]) / (members - 1)
            weights[place] = value * others
            if any(weights):
                shares = rules.shares(weights, members)
                rows.append(tuple(round(share, 4) for share in shares))
        return [dataclasses.replace(rule, weights=row) for row in rows]

    return propose


def _search(
    dataset: layout.DatasetFiles, run: runs.Run, *, table: Any, scans: list[str]
) -> search.SearchResult:
    first = table.drop_duplicates("scan").set_index("scan")
    groups = [
        search.ScanGroup(i, int(first["fold"][scan]), int(first["case"][scan]))
        for i, scan in enumerate(scans)
    ]
    trying = _Trying(run, arrays.Arrays(dataset), scans)
    return search.search(
        steps(run.config.decide, members=len(runs.members(run))),
        groups,
        start=[rules.Rule()] * len(run.classes),
        table=trying.table,
        measure=trying,
    )


class _Trying:
    """Measures rules on every scan, each rule once, a scan at a time in each thread."""

    def __init__(self, run: runs.Run, store: arrays.Arrays, scans: list[str]) -> None:
        self.run, self.store, self.scans = run, store, scans
        self.table: search.Table = [{} for _ in run.classes]
        self.passes = 0

    def __call__(self, wanted: list[set[rules.Rule]]) -> None:
        """Fill the table with the rules by class that are not there yet."""
        new = [
            asked - known.keys()
            for asked, known in zip(wanted, self.table, strict=True)
        ]
        if not any(new):
            return
        self.passes += 1
        with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = progress.track(
                pool.map(functools.partial(self._scan, new), self.scans),
                f"decide, pass {self.passes}",
                total=len(self.scans),
                console=console.ERR,
            )
            by_scan = list(results)
        for index, tried in enumerate(new):
            for rule in tried:
                numbers = np.array([scan[index][rule] for scan in by_scan])
                self.table[index][rule] = numbers

    def _scan(
        self, new: list[set[rules.Rule]], scan: str
    ) -> list[dict[rules.Rule, np.ndarray]]:
        seen = blending.out_of_fold(self.run, scan)
        truth = metric.prepare(self.store.masks(scan), classes=len(new))
        return [
            rule_scores.measure(truth.organs[index], seen, index, tried)
            if tried
            else {}
            for index, tried in enumerate(new)
        ]


def _to_json(found: search.SearchResult, run: runs.Run) -> dict[str, Any]:
    classes, members = run.classes, run.config.members
    decision = {
        "rules": rules.to_json(found.rules, classes),
        "baseline": found.baseline,
        "nested": {
            "score": found.nested,
            "gains": found.gains,
            "kept": {
                step: dict(zip(classes, gains, strict=True))
                for step, gains in found.kept.items()
            },
        },
        "in_sample": found.in_sample,
    }
    if members:
        weights = rules.weights_to_json(found.rules, classes, members)
        decision["weights"] = weights
    return decision


def _tell(found: search.SearchResult, run: runs.Run) -> None:
    """Say what each rule brought on scans that it was not chosen on."""
    console.note(f"{'decide':<18}{'held out':>9}  switched on for")
    console.note(f"{'threshold 0.5':<18}{found.baseline:>9.4f}")
    for step, gain in found.gains.items():
        gains = zip(run.classes, found.kept[step], strict=True)
        names = ", ".join(f"{name} {each:+.4f}" for name, each in gains if each)
        console.note(f"{step:<18}{gain:>+9.4f}  {names or '-'}")
    if found.nested is None:
        console.warn("one scan alone cannot tell what a rule brings on others.")
        return
    gap = found.in_sample - found.nested
    console.note(
        f"{'nested':<18}{found.nested:>9.4f}  {found.nested - found.baseline:+.4f}; "
        f"in sample {found.in_sample:.4f}, which flatters by {gap:+.4f}"
    )


def _key(run: runs.Run, scans: list[str]) -> str:
    digests = [blending.digests(run, scan) for scan in scans]
    names = [each.name for each in runs.members_and_gates(run)]
    parts = (VERSION, scans, digests, names, run.config.decide.model_dump())
    return files.digest(repr(parts))
