"""Step 4: search the decision rule of each class on out-of-fold probabilities."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import blending, console, files, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, predicted, runs
from competition.core.regions import cropped_masks
from competition.decide import borrowed, candidates, rule_scores, search
from competition.machine import threads

if TYPE_CHECKING:
    import pandas as pd

# A decision of another version is replaced.
VERSION = 5


def run(dataset: layout.DatasetFiles, run: runs.Run) -> dict[str, Any]:
    """Search the rule of each class, and test the search on scans that it did not see.

    A run that holds nothing out takes the rules of another run. A decision from the
    same probabilities and the same `decide` settings is kept.
    """
    with runs.held(run, doing="deciding", dataset=dataset):
        if run.config.folds == layout.ALL:
            return borrowed.write(run)
        table = slice_table.read(dataset)
        folds = runs.trained_folds(run)
        predicted.check(run, table)
        held_out = slice_table.held_out_scans(table, folds)
        key = _key(run, held_out)
        if files.exists(run.files.decision):
            decision: dict[str, Any] = files.read_json(run.files.decision, dict)
            if decision.get("key") == key:
                return decision
        found = _search(dataset, run, table, held_out)
        decision = {**found, "folds": folds, "key": key}
        _print(decision)
        files.write_sealed(run.files.decision, decision)
        return decision


def _search(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    table: "pd.DataFrame",
    held_out: list[str],
) -> dict[str, Any]:
    """Search the rules on the held-out scans, or on a sample of them."""
    store = arrays.Arrays(dataset)
    by_scan = table.drop_duplicates("scan").set_index("scan").loc[held_out]
    scans = _sample(by_scan["fold"], run.config.decide.scans)
    chosen, scores, tested = search.search(
        candidates.steps(
            run.config.decide,
            members=len(runs.members(run)),
            has_gate=bool(run.config.gate),
        ),
        by_scan.loc[scans, ["fold", "case"]].reset_index(),
        run.classes,
        functools.partial(_measure, run, store, scans),
    )
    splits = [([scans[index] for index in path.test], path.rules) for path in tested]
    seen = set(scans)
    if others := [scan for scan in held_out if scan not in seen]:
        # The search has not seen these scans, so its rules may be scored on them.
        splits.append((others, chosen))
    names = run.classes, run.config.members
    scores["nested"]["splits"] = [
        {"scans": split, **rules.to_json(found, *names)} for split, found in splits
    ]
    return {**rules.to_json(chosen, *names), **scores}


def _sample(folds: "pd.Series", most: int) -> list[str]:
    """Return at most `most` scans, evenly from all folds; `folds` is indexed by scan.

    A search takes longer with more scans, but its result changes little after some
    hundred of them.
    """
    by_fold = folds.sort_values(kind="stable").index.tolist()
    if len(by_fold) <= most:
        return folds.index.tolist()
    console.note(
        f"decide: searched on {most} of {len(by_fold)} scans, by `decide.scans`"
    )
    return [by_fold[index * len(by_fold) // most] for index in range(most)]


def _key(run: runs.Run, scans: list[str]) -> str:
    sources = runs.members_and_gates(run)
    digests = [
        [probabilities.made_by(source.files.oof(scan)) for source in sources]
        for scan in scans
    ]
    names = [source.name for source in sources]
    parts = (VERSION, scans, digests, names, run.config.decide.model_dump())
    return files.digest(repr(parts))


def _measure(
    run: runs.Run,
    store: arrays.Arrays,
    scans: list[str],
    step: str,
    wanted: list[set[rules.Rule]],
) -> search.Table:
    """Measure a step's rules by class, one scan at a time in each thread."""

    def measure(scan: str) -> list[dict[rules.Rule, np.ndarray]]:
        predictions = blending.out_of_fold(run, scan)
        organs, _ = cropped_masks.cut(store.masks(scan), len(wanted))
        return [
            rule_scores.measure(organ, predictions, index, wanted[index])
            for index, organ in enumerate(organs)
        ]

    title = f"decide: {step}, {sum(map(len, wanted))} rules"
    by_scan = threads.for_all(measure, scans, title)
    return [
        {rule: np.array([scan[index][rule] for scan in by_scan]) for rule in tried}
        for index, tried in enumerate(wanted)
    ]


def _print(decision: dict[str, Any]) -> None:
    """Print the gain of each step on scans that were not used to choose its values."""
    baseline, nested = decision["baseline"], decision["nested"]
    console.note(f"{'decide':<18}{'held out':>9}  switched on for")
    console.note(f"{search.BASELINE:<18}{baseline:>9.4f}")
    for step, gain in nested["gains"].items():
        gains = nested["kept"][step].items()
        names = ", ".join(f"{name} {each:+.4f}" for name, each in gains if each)
        console.note(f"{step:<18}{gain:>+9.4f}  {names or '-'}")
    score, in_sample = nested["score"], decision["in_sample"]
    if score is None:
        console.warn("with a single scan, no score on held-out scans can be computed.")
        return
    console.note(
        f"{'nested':<18}{score:>9.4f}  {score - baseline:+.4f}; "
        f"in sample {in_sample:.4f}, which flatters by {in_sample - score:+.4f}"
    )
