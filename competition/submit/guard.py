"""Predict the scans in processes that may die or hang, watched from this one.

This process loads no framework. It shares the scans between the GPUs, one process on
each, and receives their masks.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from competition.core.data import images
from competition.core.experiment import runs
from competition.machine import deadline, gpus, memory
from competition.submit import members, reports, share, watched_process


def predict(
    run: runs.Run,
    data: pathlib.Path,
    scans: Mapping[str, Sequence[images.Image]],
    *,
    limit: deadline.Deadline | None,
    tell: reports.Reports,
    patience: watched_process.Patience,
) -> None:
    """Predict until `limit`; soon after it, end any process that still works.

    Scans that one GPU gives up are divided among the GPUs that finished their share. If
    none did and a process reported that no network loads, that is raised as
    `members.NoNetworkError`.
    """
    environments = gpus.environments(run.config.training.gpus)
    # Processes may overrun the limit by 1 %, half of what `submit` keeps back for its
    # own work.
    last = deadline.Deadline(1.01 * limit.left()) if limit else None
    each_one = per_process(patience, len(environments))
    job = share.Job(run, data, tell, each_one, limit, last)
    waiting, error = list(scans), None
    while waiting and environments and not job.is_over():
        parts = divide({scan: len(scans[scan]) for scan in waiting}, len(environments))
        shares = [
            share.Share(job, part, environment)
            for part, environment in zip(parts, environments, strict=True)
        ]
        _predict_together(shares)
        waiting = [scan for each in shares for scan in each.waiting]
        error = next((each.error for each in shares if each.error), None)
        environments = [each.environment for each in shares if not each.waiting]
        if waiting and environments and not job.is_over():
            why = f" ({error})" if error else ""
            text = f"A GPU gave up {', '.join(waiting)}{why}; other GPUs take over."
            tell.warn("GPU left out", text)
    if error and waiting:
        raise members.NoNetworkError(error)
    for scan in waiting:
        if job.is_over():
            tell.warn("no time", f"{scan}: no time is left; it stays empty.")
        else:
            text = f"{scan} stays empty: no process could predict it."
            tell.warn("process ended", text)


def per_process(
    patience: watched_process.Patience, processes: int
) -> watched_process.Patience:
    """Return the patience with each of several processes, which share the memory."""
    if patience.memory:
        return patience
    free = memory.available() or float("inf")
    return dataclasses.replace(patience, memory=0.9 * free / processes)


def divide(slices: Mapping[str, int], parts: int) -> list[list[str]]:
    """Divide scans, by their number of slices, into parts of about as many slices."""
    divided: list[list[str]] = [[] for _ in range(parts)]
    sums = [0] * parts
    for scan, count in slices.items():
        smallest = sums.index(min(sums))
        divided[smallest].append(scan)
        sums[smallest] += count
    return divided


def _predict_together(shares: Sequence[share.Share]) -> None:
    """Predict all shares at once; an interrupt ends their processes."""
    with contextlib.ExitStack() as stack:
        working = [
            stack.enter_context(contextlib.closing(each.predict())) for each in shares
        ]
        while working:
            # The default comes at the end of a share.
            working = [each for each in working if not next(each, True)]
