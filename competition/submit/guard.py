"""Predict the scans in a process that may die or hang, watched from this one.

This process loads no framework. It receives the masks of each scan, and when the other
one dies or falls silent, it starts another on the rest, without the scan or the network
in work.
"""

import contextlib
import dataclasses
import json
import pathlib
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from competition.core.experiment import runs
from competition.machine import deadline, memory, process
from competition.submit import prediction, reports

POLL_SECONDS = 0.1
# After the first scan, silence may last this many times the longest one before.
FACTOR = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """The seconds of silence, the bytes of memory and the processes to allow.

    `start` is for the silence before the first scan of a process is finished, which
    holds imports and compilation, and `silence` is the least for that after it.
    Without `memory` nine tenths of what is available are allowed.
    """

    start: float = 1800.0
    silence: float = 300.0
    memory: float | None = None
    processes: int = 8


class Guard:
    """Predicts scans in one process after another."""

    def __init__(
        self,
        run: runs.Run,
        data: pathlib.Path,
        scans: list[str],
        *,
        tell: reports.Reports,
        patience: Patience,
    ) -> None:
        self.run = run
        self.data = data
        self.waiting = scans
        self.tell = tell
        self.patience = patience
        self.plan = prediction.Plan()
        self._is_any_finished = False
        self._left_out: list[str] = []

    def predict(self, limit: deadline.Deadline | None) -> None:
        """Predict until `limit`, and end a process that still works soon after it.

        An error that a process reports, such as that no network loads, is raised.
        """
        # Half of the time that `submit` reserves for its own work.
        last = deadline.Deadline(1.01 * limit.left()) if limit else None
        for _ in range(self.patience.processes):
            if not self.waiting or _is_over(last):
                break
            with contextlib.closing(_Process(self._request(limit))) as child:
                why = self._watch(child, last)
            if why is None:
                return
            if not _is_over(last) and not self._blame(child, why):
                break
        for scan in self.waiting:
            if _is_over(last):
                self.tell.warn("no time", f"{scan}: no time is left; it stays empty.")
            else:
                text = f"{scan} stays empty: no process could predict it."
                self.tell.warn("process ended", text)

    def _request(self, limit: deadline.Deadline | None) -> dict[str, Any]:
        return {
            "run": str(self.run.files.root),
            "data": str(self.data),
            "scans": self.waiting,
            # The start of the process takes from its time.
            "end": time.time() + limit.left() if limit else None,
            "plan": dataclasses.asdict(self.plan),
        }

    def _watch(self, child: "_Process", last: deadline.Deadline | None) -> str | None:
        """Pass on the reports of a process; return why it ended, or None at its end."""
        most = self.patience.memory or 0.9 * (memory.available() or float("inf"))
        why = None
        while not why:
            for name, *values in child.reports():
                if name == "over":
                    if values[0]:
                        raise ValueError(values[0])
                    return None
                if name == "warn":
                    self.tell.warn(*values)
                elif name == "finish":
                    self._finish(*values)
            why = "was too slow" if _is_over(last) else child.fault(self.patience, most)
        return why

    def _finish(self, scan: str, rows: list[list[str]]) -> None:
        self.tell.finish(scan, {(id, name): rle for id, name, rle in rows})
        self.waiting.remove(scan)
        self._is_any_finished = True

    def _blame(self, child: "_Process", why: str) -> bool:
        """Leave out the cause of a death if it is known; return whether to go on.

        Several stages work at once, and the networks are at work on each scan. So the
        next process works carefully where the cause is not known.
        """
        is_known = self.plan.careful or child.is_scan_finished
        if len(child.works) != 1 or (child.works[0][0] == "scan" and not is_known):
            go_on = not self.plan.careful or child.is_scan_finished
            then = "the next one works step by step" if go_on else "no other is started"
            self.tell.warn("process ended", f"The process that predicts {why}; {then}.")
            self.plan = dataclasses.replace(self.plan, careful=True)
            return go_on
        ((kind, name),) = child.works
        if kind == "network":
            self.tell.warn("model left out", f"{name}: the process that used it {why}.")
            without = [*self.plan.without, name]
            self.plan = dataclasses.replace(self.plan, without=without)
            return True
        text = f"{name} is left out: the process that worked on it {why}."
        self.tell.warn("process ended", text)
        self.waiting.remove(name)
        self._left_out.append(name)
        if len(self._left_out) == 2 and not self._is_any_finished:
            # Each network works alone, and all together on no scan.
            text = "no scan could be predicted with all networks: now with one."
            self.tell.warn("effort lowered", text)
            self.plan = dataclasses.replace(self.plan, one_network=True)
            self.waiting[:0] = self._left_out
        return True


class _Process:
    """A process that predicts: its works in hand, and its silence."""

    def __init__(self, request: dict[str, Any]) -> None:
        command = ["-m", "competition.submit"]
        self.process = process.start(command, stdout=subprocess.PIPE)
        self.works: list[list[str]] = []
        self.is_scan_finished = False
        self.is_ended = False
        self._heard = time.monotonic()
        self._longest = 0.0
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # A pipe waits for its other end, which may hang.
        self._thread = threading.Thread(target=self._talk, args=(request,), daemon=True)
        self._thread.start()

    def _talk(self, request: dict[str, Any]) -> None:
        into, out = self.process.stdin, self.process.stdout
        if not into or not out:
            return
        # The process may die at once.
        with contextlib.suppress(OSError):
            into.write(json.dumps(request).encode() + b"\n")
            into.flush()
        for line in out:
            self._lines.put(line)
        self._lines.put(b"")

    def reports(self) -> Iterator[list[Any]]:
        """Yield the reports that arrived, and wait a moment for the first."""
        with contextlib.suppress(queue.Empty):
            line = self._lines.get(timeout=POLL_SECONDS)
            while True:
                # A process that dies may leave half a line.
                with contextlib.suppress(ValueError):
                    yield self._note(json.loads(line))
                self.is_ended = not line
                line = self._lines.get_nowait()

    def _note(self, report: list[Any]) -> list[Any]:
        self._longest = max(self._longest, self.silence())
        self._heard = time.monotonic()
        name, *values = report
        if name == "begin":
            self.works.append(values)
        elif name == "end":
            self.works.remove(values)
        elif name == "finish":
            self.is_scan_finished = True
        return report

    def silence(self) -> float:
        """Return the seconds since the last report."""
        return time.monotonic() - self._heard

    def fault(self, patience: Patience, memory_limit: float) -> str | None:
        """Return why the process ended or must be ended; None while it works."""
        status = self.process.poll()
        if self.is_ended and status is not None:
            return f"was ended by {process.reason(status)}"
        allowed = patience.start
        if self.is_scan_finished:
            allowed = max(patience.silence, FACTOR * self._longest)
        if self.silence() > allowed:
            return f"gave no sign of life for {deadline.show(self.silence())}"
        if (memory.resident(self.process.pid) or 0) > memory_limit:
            return f"needed more than {memory_limit / 1e9:.1f} GB of memory"
        return None

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self._thread.join()
        self.process.communicate()


def _is_over(last: deadline.Deadline | None) -> bool:
    return last is not None and not last.allows(0)
