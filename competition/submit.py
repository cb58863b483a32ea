"""Step 5: the test folder becomes submission.csv, scan by scan, all folds averaged.

It is made for a single blind run: what the data or the machine do to it costs the masks
of a slice or a scan, is told in submit.log, and a valid file comes out in time.
"""

import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import progress

from competition.core import (
    ahead,
    console,
    evidence,
    geometry,
    images,
    journal,
    masks,
    parts,
    problems,
    rle,
    rules,
    runs,
    submission,
    testset,
)
from competition.machine import deadline, pace, process

if TYPE_CHECKING:
    from competition.net import crew

# Of the budget, for what comes after the last scan.
RESERVE = 0.02
Seen = tuple[evidence.Evidence, list[rules.Rule]]


def run(
    run: runs.Run,
    *,
    data: pathlib.Path,
    out: pathlib.Path | None = None,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> dict[str, Any]:
    """Write the submission of a run for `data`; the same one is not written twice.

    Within the `budget`, such as "8h30m". Where no model can be loaded, or no scan be
    predicted, the file is written all the same, with empty masks, before the error.
    """
    seconds = deadline.parse(budget) * (1 - RESERVE) if budget else None
    end = deadline.Deadline(seconds, clock) if seconds is not None else None
    out = out or run.files.submission
    if not data.is_dir():
        raise ValueError(f"{data}: no such folder. Check --data.")
    folds = _folds(run)
    test = testset.look(data, run.classes)
    key = _key(run, test, data)
    # Beside the submission, for a run's folder on Kaggle cannot be written.
    log = out.with_name("submit.log")
    done = journal.summary(log)
    if out.is_file() and done.get("key") == key and done.get("complete"):
        return done
    kept = parts.Parts(out.with_name(".submit.part"), key)
    said = journal.Journal(log, go_on=bool(kept.done))
    said.warn_all(test.faults)
    work = _Work(run, data, test, kept, said)
    if not test.wanted:
        console.note(f"{data} has no test: the submission is its header alone.")
    fault = work.predict(end)
    rows = _fill(test.wanted, kept)
    _write(out, rows, kept)
    summary = {
        "submission": str(out),
        "rows": len(rows),
        "scans": len(test.scans),
        "folds": folds,
        "events": dict(said.counts),
        "complete": kept.done.keys() >= test.scans.keys(),
        "key": key,
    }
    if summary["complete"]:
        kept.remove()
    said.end(summary)
    if fault:
        raise ValueError(f"{out} is written, but its masks are empty: {fault}")
    return summary


def _folds(run: runs.Run) -> list[int]:
    """The folds of which any network is there; none at all is an error."""
    folds = {
        fold
        for source in runs.sources(run)
        for fold in source.config.folds
        if source.files.weights(fold).is_file()
    }
    if not folds:
        runs.trained(run)
    # Before hours of work, not after them.
    rules.read(run.files.decision, run.classes)
    return sorted(folds)


@dataclasses.dataclass(frozen=True, slots=True)
class _Work:
    """The stages that a scan passes: read, look, encode. They overlap."""

    run: runs.Run
    data: pathlib.Path
    test: testset.TestSet
    kept: parts.Parts
    said: journal.Journal

    def predict(self, end: deadline.Deadline | None) -> str | None:
        """Predict the scans that are not done yet; say why none could be."""
        todo = {k: v for k, v in self.test.scans.items() if k not in self.kept.done}
        if not todo:
            return None
        from competition.net import crew

        decided = rules.read(self.run.files.decision, self.run.classes)
        try:
            team = crew.Crew(self.run, decided, self.said)
        except ValueError as error:
            return str(error)
        paced = pace.Pace(
            team.full,
            end,
            slices=sum(map(len, todo.values())),
            say=lambda text: self.said.warn("effort lowered", text),
        )
        read = ahead.ahead(self.read(todo.values()))
        seen = ahead.ahead(self.look(team, paced, read))
        shown = progress.track(seen, "submit", total=len(todo), console=console.ERR)
        for scan, said in shown:
            self.encode(scan, said)
        predicted = any(name in self.kept.done for name in todo)
        return None if predicted else "no scan could be predicted; see submit.log."

    def read(self, scans: Iterable[list[images.Image]]) -> Iterator[testset.Scan]:
        """Read scan by scan, in what time the networks leave."""
        process.step_back()
        for found in scans:
            try:
                scan = testset.read(self.data, found)
            except Exception as error:
                fault = problems.Problem("unexpected", f"{found[0].scan}: {error!r}")
                scan = testset.Scan(found, None, [None] * len(found), [fault])
            self.said.warn_all(scan.faults)
            yield scan

    def look(
        self,
        team: "crew.Crew",
        paced: pace.Pace,
        scans: Iterable[testset.Scan],
    ) -> Iterator[tuple[testset.Scan, Seen | None]]:
        """Ask the networks, in time; None where they cannot say anything."""
        clock = paced.end.clock if paced.end else time.monotonic
        began: float | None = None
        for scan in scans:
            seen: Seen | None = None
            if scan.volume is not None:
                if began is None:
                    self._measure(team, paced, scan.volume)
                    began = clock()
                seen = self._ask(team, paced, scan, scan.volume)
            paced.done(len(scan.images))
            yield scan, seen
            if seen is not None and began is not None:
                # From end to end: reading and encoding count where they are slower.
                paced.record(len(scan.images), clock() - began)
            began = clock() if began is not None else None

    def _measure(self, team: "crew.Crew", paced: pace.Pace, volume: np.ndarray) -> None:
        if paced.end is None:
            return
        try:
            paced.record(1, team.measure(volume.shape[1:], paced.effort))
        except Exception as error:
            self.said.warn("unexpected", f"measuring the rate: {error!r}")

    def _ask(
        self,
        team: "crew.Crew",
        paced: pace.Pace,
        scan: testset.Scan,
        volume: np.ndarray,
    ) -> Seen | None:
        if not paced.allows(len(scan.images)):
            self.said.warn("no time", f"{scan.name}: no time is left; it stays empty.")
            return None
        try:
            return team.look(volume, paced.effort)
        except Exception as error:
            self.said.warn("unexpected", f"{scan.name} stays empty: {error!r}")
            return None

    def encode(self, scan: testset.Scan, seen: Seen | None) -> None:
        """Decide and keep the masks of a scan; one that is all damaged has none."""
        encoded: parts.Encoded = {}
        if scan.volume is not None:
            if seen is None:
                return
            try:
                encoded = _encode(evidence.decide(*seen), scan, self.run.classes)
            except Exception as error:
                self.said.warn("unexpected", f"{scan.name} stays empty: {error!r}")
                return
        try:
            self.kept.add(scan.name, encoded)
        except OSError as error:
            self.said.warn("part not kept", f"{scan.name}: {error}")


def _encode(
    bits: masks.Bits, scan: testset.Scan, classes: tuple[str, ...]
) -> parts.Encoded:
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


def _fill(wanted: list[testset.Pair], kept: parts.Parts) -> list[submission.Row]:
    """The rows in the wanted order; what has no prediction stays empty."""
    encoded = {pair: text for part in kept.done.values() for pair, text in part.items()}
    return [
        submission.Row(line, id, name, encoded.get((id, name), ""))
        for line, (id, name) in enumerate(wanted, start=2)
    ]


def _write(out: pathlib.Path, rows: list[submission.Row], kept: parts.Parts) -> None:
    try:
        submission.write(out, rows)
    except OSError:
        # A full disk has room for one of the two, and all parts are in memory.
        kept.remove()
        submission.write(out, rows)


def _key(run: runs.Run, test: testset.TestSet, data: pathlib.Path) -> str:
    """A digest of all that the submission depends on."""
    weights = [
        (source.name, fold, runs.digest(source, fold))
        for source in runs.sources(run)
        for fold in source.config.folds
        if source.files.weights(fold).is_file()
    ]
    made = (
        weights,
        run.files.decision.read_bytes(),
        test.wanted,
        testset.state(data, test),
    )
    return hashlib.sha256(repr(made).encode()).hexdigest()[:16]
