"""The work on all scans: load the networks, then read, predict, decide and encode.

It runs in the process that submits, or in one that `guard` watches.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Collection
from typing import Any

from competition.core import files, problems, rules
from competition.core.data import images
from competition.core.experiment import configs, layout, runs
from competition.machine import deadline
from competition.submit import members, partial, prefetch, reports, stages, time_budget

RunFolds = list[tuple[runs.Run, layout.Fold]]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How to predict after a process died.

    `without` names the networks to leave out. With `careful` each network is tried
    alone first, and one stage works at a time, so that the next death has one cause.
    With `one_network` the strongest member predicts with a single fold.
    """

    without: Collection[str] = ()
    careful: bool = False
    one_network: bool = False


def predict(
    run: runs.Run,
    data: pathlib.Path,
    scans: dict[str, list[images.Image]],
    *,
    limit: deadline.Deadline | None,
    tell: reports.Reports,
    plan: Plan = Plan(),
) -> None:
    """Predict scan after scan; the stages overlap.

    If no network loads, `members.NoNetworkError` is raised.
    """
    class_rules, _ = usable_rules(run)
    loaded = members.LoadedMembers(run, class_rules, tell, without=plan.without)
    networks = loaded.all_networks
    while plan.one_network and (smaller := networks.smaller()):
        networks = smaller
    budget = time_budget.TimeBudget(
        networks,
        limit,
        slices=sum(map(len, scans.values())),
        warn=lambda text: tell.warn("effort lowered", text),
    )
    ahead = iter if plan.careful else prefetch.prefetch
    slices = ((data, of_scan) for of_scan in scans.values())
    read = ahead(stages.read(slices, tell))
    predicted = ahead(stages.predict(read, loaded, budget, tell, try_each=plan.careful))
    with contextlib.closing(predicted):
        for scan, prediction in predicted:
            encoded: partial.EncodedMasks | None = None
            if scan.is_read and scan.volume is None:
                # No slice of the scan can be read: it is finished, with empty masks.
                encoded = {}
            if prediction is not None:
                encoded = stages.decide(scan, prediction, loaded.classes, tell)
            if encoded is not None:
                tell.finish(scan.name, encoded)


def usable_rules(run: runs.Run) -> tuple[list[rules.Rule], list[problems.Problem]]:
    """Return the rules of the classes, and the problem of a damaged decision.json.

    If it is damaged, each class is decided at 0.5: that lowers the score a little, but
    without any rule there would be no submission.
    """
    try:
        members = run.config.members
        return rules.read(run.files.decision, run.classes, members), []
    except (ValueError, OSError) as error:
        if not run.files.decision.exists():
            raise
        text = f"{error} Every class is decided at 0.5."
        fault = problems.Problem("decision unusable", text)
        return [rules.Rule()] * len(run.classes), [fault]


def run_folds(run: runs.Run) -> RunFolds:
    """Return the runs and folds that have weights; [] if only the rules are there."""
    found = [
        (source, fold)
        for source in runs.members_and_gates(run)
        for fold in source.config.folds
        if source.files.weights(fold).is_file()
    ]
    if not found and not run.files.decision.is_file():
        # This raises the error for a run that is not trained.
        runs.trained_folds(run)
    return found


def made_by(
    run: runs.Run, folds: RunFolds, class_rules: list[rules.Rule]
) -> tuple[Any, ...]:
    """Return what decides the masks of a scan: weights, configs and rules."""
    return (
        [(s.name, k, _digest(s.files.weights(k))) for s, k in folds],
        [
            (source.name, source.classes, configs.without_newer_defaults(source.config))
            for source in runs.members_and_gates(run)
        ],
        (run.classes, configs.without_newer_defaults(run.config), class_rules),
    )


def _digest(path: pathlib.Path) -> str:
    """Return the digest of a file of weights, or the error if it cannot be read."""
    try:
        return files.file_digest(path)
    except OSError as error:
        return str(error)
