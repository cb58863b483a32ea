"""The stages of a scan: read, predict, decide.

After an error in a stage the scan has no masks, and the log has an event.
"""

import pathlib
import time
from collections.abc import Generator, Iterable

import numpy as np

from competition.core import axes, blending, geometry, masks, rle
from competition.core.data import images
from competition.core.experiment import configs
from competition.machine import process
from competition.submit import members, partial, reports, test_folder, time_budget


def read(
    scans: Iterable[tuple[pathlib.Path, list[images.Image]]], tell: reports.Reports
) -> Generator[test_folder.TestScan]:
    """Read and yield scan after scan, with a lower priority than the networks.

    A scan is a competition folder and its slices there.
    """
    process.step_back()
    for data, slices in scans:
        scan = test_folder.TestScan(slices, is_read=False)
        with tell.scan(scan.name, scan.name):
            scan, faults = test_folder.read(data, slices)
            for fault in faults:
                tell.warn(fault.kind, fault.text)
        yield scan


def predict(
    scans: Iterable[test_folder.TestScan],
    loaded: members.LoadedMembers,
    budget: time_budget.TimeBudget,
    tell: reports.Reports,
    *,
    try_each: bool = False,
) -> Generator[tuple[test_folder.TestScan, members.ScanPrediction | None]]:
    """Yield each scan and its prediction; None where there was no time, or an error.

    With `try_each` every network works alone before the first scan is predicted.
    """
    clock = budget.limit.clock if budget.limit else time.monotonic
    began: float | None = None
    for scan in scans:
        prediction = None
        if scan.volume is not None and scan.grid is not None:
            if began is None:
                if try_each:
                    loaded.try_each(scan.grid.shape)
                if budget.limit:
                    # This measures a first rate, before any scan is predicted.
                    with tell.scan(scan.name, "measuring the rate"):
                        seconds = loaded.measure(scan.grid.shape, budget.networks)
                        budget.record(1, seconds)
                began = clock()
            if budget.allows(len(scan.images)):
                with tell.scan(scan.name, f"{scan.name} stays empty"):
                    prediction = loaded.predict(scan.volume, scan.grid, budget.networks)
                    _warn(scan, loaded, budget.networks, tell)
            else:
                tell.warn("no time", f"{scan.name}: no time is left; it stays empty.")
        budget.finish(len(scan.images))
        yield scan, prediction
        if began is not None:
            # The time from scan to scan: reading and encoding count where they are
            # slower than the networks.
            if prediction is not None:
                budget.record(len(scan.images), clock() - began)
            began = clock()


def _warn(
    scan: test_folder.TestScan,
    loaded: members.LoadedMembers,
    networks: time_budget.NetworkSubset,
    tell: reports.Reports,
) -> None:
    """Report what was wrong with the prediction of a scan."""
    if scan.grid and not scan.grid.body and loaded.cuts_to_body:
        text = f"{scan.name}: no body is seen, so its whole slices are predicted."
        tell.warn("no body", text)
    for name in networks.members:
        config = loaded.sources[name].config
        if cropped := _cropped(scan.grid, len(scan.images), config):
            tell.warn("cropped", f"{scan.name}: {name} draws nothing in {cropped}.")
    for name in loaded.not_finite:
        text = f"{scan.name}: {name} predicts NaN or infinity."
        tell.warn("network left out", text)


def _cropped(
    grid: geometry.Grid | None, slices: int, config: configs.Config
) -> str | None:
    """Say which part of a scan the network does not see; None where it sees all."""
    if grid is None:
        return None
    turned = axes.turned_grid(grid, slices, config.axis)
    rows, columns = turned.cropped(config.geometry)
    if not (rows or columns):
        return None
    height, width = turned.scaled(config.geometry)
    seen_height, seen_width = config.geometry.frame
    return (
        f"{rows} of {height} rows and {columns} of {width} columns, which lie outside "
        f"of the {seen_height} x {seen_width} pixels that it sees"
    )


def decide(
    scan: test_folder.TestScan,
    prediction: members.ScanPrediction,
    classes: tuple[str, ...],
    tell: reports.Reports,
) -> partial.EncodedMasks | None:
    """Return the masks that the rules make of a prediction; None after an error."""
    with tell.scan(scan.name, f"{scan.name} stays empty"):
        return encode(blending.decide(*prediction), scan, classes)
    return None


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
