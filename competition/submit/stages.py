"""The stages of a scan: read, predict, encode.

An error in a stage costs the masks of its scan, and is an event in the log.
"""

import pathlib
import time
from collections.abc import Generator, Iterable

import numpy as np

from competition.core import geometry, masks, rle
from competition.core.data import images
from competition.machine import process
from competition.submit import event_log, members, partial, test_folder, time_budget


def read(
    data: pathlib.Path, scans: Iterable[list[images.Image]], log: event_log.EventLog
) -> Generator[test_folder.TestScan]:
    """Yield scan after scan as read, in the time that the networks leave."""
    process.step_back()
    for slices in scans:
        scan = test_folder.unread(slices, [])
        with log.catching(scan.name):
            scan = test_folder.read(data, slices)
        log.warn_all(scan.faults)
        yield scan


def predict(
    scans: Iterable[test_folder.TestScan],
    loaded: members.LoadedMembers,
    budget: time_budget.TimeBudget,
    log: event_log.EventLog,
) -> Generator[tuple[test_folder.TestScan, members.ScanPrediction | None]]:
    """Yield each scan and its prediction; None where there was no time, or an error."""
    clock = budget.limit.clock if budget.limit else time.monotonic
    began: float | None = None
    for scan in scans:
        prediction = None
        if scan.volume is not None:
            if began is None:
                _measure(loaded, budget, scan.volume.shape[1:], log)
                began = clock()
            prediction = _predict_in_time(scan, scan.volume, loaded, budget, log)
        budget.finish(len(scan.images))
        yield scan, prediction
        if began is not None:
            # The time from end to end: reading and encoding count where they are
            # slower than the networks.
            if prediction is not None:
                budget.record(len(scan.images), clock() - began)
            began = clock()


def _measure(
    loaded: members.LoadedMembers,
    budget: time_budget.TimeBudget,
    shape: tuple[int, ...],
    log: event_log.EventLog,
) -> None:
    """Record a first rate, if there is a limit, before the first scan is predicted."""
    if budget.limit:
        with log.catching("measuring the rate"):
            budget.record(1, loaded.measure(shape, budget.models))


def _predict_in_time(
    scan: test_folder.TestScan,
    volume: np.ndarray,
    loaded: members.LoadedMembers,
    budget: time_budget.TimeBudget,
    log: event_log.EventLog,
) -> members.ScanPrediction | None:
    if not budget.allows(len(scan.images)):
        log.warn("no time", f"{scan.name}: no time is left; it stays empty.")
        return None
    prediction = None
    with log.catching(f"{scan.name} stays empty"):
        prediction = loaded.predict(volume, budget.models)
    return prediction


def encode(
    bits: masks.Bits, scan: test_folder.TestScan, classes: tuple[str, ...]
) -> partial.EncodedMasks:
    """Encode mask bits (D, H, W) by (id, class), each in the size of its slice."""
    encoded = {}
    for image, size, plane in zip(scan.images, scan.sizes, bits, strict=True):
        if size is None:
            continue
        if plane.shape != size:
            sized = np.empty(size, plane.dtype)
            geometry.place(plane, sized)
            plane = sized
        for index, name in enumerate(classes):
            encoded[image.id, name] = rle.encode(masks.plane(plane, index))
    return encoded
