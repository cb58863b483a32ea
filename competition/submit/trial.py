"""The trial of a submission's networks, where there is no test yet.

A version of a notebook first runs on the public data, whose test is empty. Without a
trial, weights that do not load or networks that do not fit into the memory would fail
only in the run that is scored, whose log nobody sees.
"""

import itertools
import pathlib

from competition.core import console
from competition.core.data import images
from competition.core.experiment import runs
from competition.machine import deadline
from competition.submit import (
    event_log,
    guard,
    members,
    partial,
    reports,
    watched_process,
)

# Events after which the hidden test would be predicted without a network or a scan.
FAULTS = {"network failed", "network left out", "process ended", "GPU left out"}
# The scans of the competition have four sizes; photographs may all differ.
SIZES = 8


def run(
    run: runs.Run,
    data: pathlib.Path,
    *,
    log: event_log.EventLog,
    limit: deadline.Deadline | None,
    patience: watched_process.Patience,
) -> str | None:
    """Predict a training scan of each of the first sizes, and drop its masks.

    Return what failed, or None.
    """
    tried = scans(data)
    if not tried:
        return None
    count = sum(map(len, tried.values()))
    console.note(f"trial: {', '.join(tried)}, {count} slices, are predicted instead.")
    finished = []

    def finish(scan: str, masks: partial.EncodedMasks) -> None:
        finished.append(scan)

    tell = reports.Reports(log.warn, finish)
    try:
        guard.predict(run, data, tried, limit=limit, tell=tell, patience=patience)
    except members.NoNetworkError as error:
        return f"the trial of its networks failed. {error}"
    faults = FAULTS & log.counts.keys()
    if faults or len(finished) < len(tried):
        return (
            f"the trial of its networks predicted {len(finished)} of {len(tried)} "
            f"training scans, with the events: {', '.join(sorted(faults)) or 'none'}. "
            f"The hidden test would fare alike. See {log.path}."
        )
    console.note("trial: they were predicted.")
    return None


def scans(data: pathlib.Path) -> dict[str, list[images.Image]]:
    """Return the slices of the first training scan of each of the first sizes."""
    if not (data / "train").is_dir():
        return {}
    slices, _ = images.find_with_problems(data, "train")
    by_size: dict[tuple[int, int], list[images.Image]] = {}
    for _, of_scan in itertools.groupby(slices, lambda image: image.scan):
        scan = list(of_scan)
        by_size.setdefault(scan[0].shape, scan)
    first = itertools.islice(by_size.values(), SIZES)
    return {scan[0].scan: scan for scan in first}
