"""Predict scans on the nodes of a cluster: each takes shares, and sends masks back."""

import math
import pathlib
import socket
from collections.abc import Sequence
from typing import Any, TypedDict

from competition import cluster
from competition.core import files, storage
from competition.core.data import images
from competition.core.experiment import layout, runs
from competition.machine import deadline
from competition.submit import (
    guard,
    members,
    partial,
    prediction,
    reports,
    test_folder,
    watched_process,
)

# About the most scans in a share; a lost node costs the work on one share. Loading the
# networks takes less time than predicting so many scans.
SCANS = 32
Scans = dict[str, list[images.Image]]


class _Predicted(TypedDict):
    """What a node sends back: events, the rows of each scan, why no network loads."""

    events: list[tuple[str, str, str]]
    scans: dict[str, partial.Rows]
    error: str | None


def predict(
    run: runs.Run,
    data: pathlib.Path,
    scans: Scans,
    *,
    limit: deadline.Deadline | None,
    tell: reports.Reports,
    nodes: cluster.Cluster,
) -> None:
    """Predict until `limit`; soon after it, end any task that still works.

    If no network loads, that is raised as `members.NoNetworkError`.
    """
    gpus = run.config.training.gpus
    # Tasks may overrun the limit by 1.5 %, three quarters of what `submit` keeps back
    # for its own work.
    last = deadline.Deadline(1.015 * limit.left()) if limit else None
    count = max(nodes.at_once(gpus), math.ceil(len(scans) / SCANS))
    sizes = {scan: len(slices) for scan, slices in scans.items()}
    waiting, error = set(scans), None
    tasks = [
        _task(run, data, {scan: scans[scan] for scan in share}, f"share {number}")
        for number, share in enumerate(guard.divide(sizes, min(count, len(scans))))
    ]

    def go_on() -> bool:
        return last is None or last.allows(0)

    for _, found in nodes.run(tasks, limit=limit, go_on=go_on):
        error = error or found["error"]
        for event in found["events"]:
            tell.warn(*event)
        for scan, rows in found["scans"].items():
            tell.finish(scan, partial.from_rows(rows))
            waiting.remove(scan)
    if error and waiting:
        raise members.NoNetworkError(error)
    if not go_on():
        for scan in sorted(waiting):
            tell.warn("no time", f"{scan}: no time is left; it stays empty.")


def _task(run: runs.Run, data: pathlib.Path, scans: Scans, name: str) -> cluster.Task:
    digest = _digest(run, data, scans)

    def arguments(limit: deadline.Deadline | None) -> Sequence[Any]:
        folders = run.files.root, data
        # Seconds, not the time of the end, since the clocks of nodes differ.
        seconds = limit.left() if limit else None
        return *map(storage.name, folders), list(scans), digest, seconds

    gpus = run.config.training.gpus
    return cluster.Task(f"{run.name}, {name}", _predict_here, arguments, gpus)


def _digest(run: runs.Run, data: pathlib.Path, scans: Scans) -> str:
    """Return a digest of the networks, the rules, and the slices' paths and sizes."""
    rules, _ = prediction.usable_rules(run)
    made_by = prediction.made_by(run, prediction.run_folds(run), rules)
    _, states = test_folder.state(data, test_folder.TestFolder([], scans, []))
    return files.digest(repr((*made_by, [state[:2] for state in states])))


def _predict_here(
    root: str, folder: str, names: list[str], digest: str, seconds: float | None
) -> _Predicted:
    """Predict a share of the scans on this node, in processes that may die."""
    storage.refresh(layout.dataset_of(storage.path(root)))
    run, data = (
        runs.read(layout.RunFiles(storage.path(root))),
        storage.mirrored(folder),
    )
    found = test_folder.find(data, run.classes).scans
    scans = {name: found.get(name, []) for name in names}
    if _digest(run, data, scans) != digest:
        raise ValueError(
            f"The node {socket.gethostname()} finds other weights in {root}, or other "
            f"slices in {folder}, than this command. Mount both folders under the same "
            "paths on all nodes."
        )
    predicted = _Predicted(events=[], scans={}, error=None)
    tell = reports.Reports(
        warn=lambda *event: predicted["events"].append((*event, "")[:3]),
        finish=lambda scan, masks: predicted["scans"].update(
            {scan: partial.to_rows(masks)}
        ),
    )
    limit = deadline.Deadline(seconds) if seconds is not None else None
    try:
        patience = watched_process.Patience()
        guard.predict(run, data, scans, limit=limit, tell=tell, patience=patience)
    except members.NoNetworkError as error:
        predicted["error"] = str(error)
    return predicted
