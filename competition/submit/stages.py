"""The stages that a scan passes on its way into a submission; they overlap.

What goes wrong in one costs the masks of its scan, and is told in the journal.
"""

import dataclasses
import pathlib
import time
from collections.abc import Iterable, Iterator

import numpy as np
from rich import progress

from competition.core import blending, console, geometry, masks, problems, rle, rules
from competition.core.data import images
from competition.machine import deadline, process
from competition.submit import ahead, event_log, members, pace, partial, test_folder

MembersPrediction = tuple[blending.MemberPredictions, list[rules.Rule]]


@dataclasses.dataclass(frozen=True, slots=True)
class ScanStages:
    """Read, look, encode: from the files of a scan to its rows in the parts."""

    data: pathlib.Path
    team: members.LoadedMembers
    classes: tuple[str, ...]
    kept: partial.PartialSubmission
    said: event_log.EventLog

    def run(
        self, todo: dict[str, list[images.Image]], end: deadline.Deadline | None
    ) -> None:
        """Take the scans through all stages, until `end` at most."""
        paced = pace.Pace(
            self.team.full,
            end,
            slices=sum(map(len, todo.values())),
            say=lambda text: self.said.warn("effort lowered", text),
        )
        read = ahead.ahead(self.read(todo.values()))
        seen = ahead.ahead(self.look(paced, read))
        shown = progress.track(seen, "submit", total=len(todo), console=console.ERR)
        for scan, said in shown:
            self.encode(scan, said)

    def read(
        self, scans: Iterable[list[images.Image]]
    ) -> Iterator[test_folder.TestScan]:
        """Read scan by scan, in what time the networks leave."""
        process.step_back()
        for found in scans:
            try:
                scan = test_folder.read(self.data, found)
            except Exception as error:
                fault = problems.Problem("unexpected", f"{found[0].scan}: {error!r}")
                scan = test_folder.TestScan(found, None, [None] * len(found), [fault])
            self.said.warn_all(scan.faults)
            yield scan

    def look(
        self, paced: pace.Pace, scans: Iterable[test_folder.TestScan]
    ) -> Iterator[tuple[test_folder.TestScan, MembersPrediction | None]]:
        """Ask the networks, in time; None where they cannot say anything."""
        clock = paced.end.clock if paced.end else time.monotonic
        began: float | None = None
        for scan in scans:
            seen: MembersPrediction | None = None
            if scan.volume is not None:
                if began is None:
                    self._measure(paced, scan.volume)
                    began = clock()
                seen = self._ask(paced, scan, scan.volume)
            paced.done(len(scan.images))
            yield scan, seen
            if seen is not None and began is not None:
                # From end to end: reading and encoding count where they are slower.
                paced.record(len(scan.images), clock() - began)
            began = clock() if began is not None else None

    def _measure(self, paced: pace.Pace, volume: np.ndarray) -> None:
        if paced.end is None:
            return
        try:
            paced.record(1, self.team.measure(volume.shape[1:], paced.effort))
        except Exception as error:
            self.said.warn("unexpected", f"measuring the rate: {error!r}")

    def _ask(
        self, paced: pace.Pace, scan: test_folder.TestScan, volume: np.ndarray
    ) -> MembersPrediction | None:
        if not paced.allows(len(scan.images)):
            self.said.warn("no time", f"{scan.name}: no time is left; it stays empty.")
            return None
        try:
            return self.team.look(volume, paced.effort)
        except Exception as error:
            self.said.warn("unexpected", f"{scan.name} stays empty: {error!r}")
            return None

    def encode(
        self, scan: test_folder.TestScan, seen: MembersPrediction | None
    ) -> None:
        """Decide and keep the masks of a scan; one that is all damaged has none."""
        encoded: partial.Encoded = {}
        if scan.volume is not None:
            if seen is None:
                return
            try:
                encoded = _encode(blending.decide(*seen), scan, self.classes)
            except Exception as error:
                self.said.warn("unexpected", f"{scan.name} stays empty: {error!r}")
                return
        try:
            self.kept.add(scan.name, encoded)
        except OSError as error:
            self.said.warn("part not kept", f"{scan.name}: {error}")


def _encode(
    bits: masks.Bits, scan: test_folder.TestScan, classes: tuple[str, ...]
) -> partial.Encoded:
    """The masks by (id, class), each in the size that its slice has."""
    encoded = {}
    for image, size, each in zip(scan.images, scan.sizes, bits, strict=True):
        if size is None:
            continue
        if each.shape != size:
            sized = np.empty(size, each.dtype)
            geometry.place(each, sized)
            each = sized
        for index, name in enumerate(classes):
            encoded[image.id, name] = rle.encode(masks.plane(each, index))
    return encoded
