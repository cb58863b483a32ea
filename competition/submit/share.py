"""A share of the scans, predicted in one process after another.

When a process dies or hangs, another one takes over the scans that are left, without
the scan or the network in work.
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Generator
from typing import Any

from competition.core.experiment import runs
from competition.machine import deadline
from competition.submit import partial, prediction, reports, watched_process


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Job:
    """What all shares have in common.

    The processes predict until `limit`; those that still work at `last` are ended.
    """

    run: runs.Run
    data: pathlib.Path
    tell: reports.Reports
    patience: watched_process.Patience
    limit: deadline.Deadline | None
    last: deadline.Deadline | None

    def is_over(self) -> bool:
        """Return whether no time is left."""
        return self.last is not None and not self.last.allows(0)


class Share:
    """Predicts its scans in processes on one GPU.

    `environment` has the variables of its processes, which name the GPU. At the end
    `waiting` has the scans that it gave up, and `error` says that no network loads, if
    a process reported it.
    """

    def __init__(self, job: Job, scans: list[str], environment: dict[str, str]) -> None:
        self.job = job
        self.tell = job.tell
        self.waiting = scans
        self.environment = environment
        self.error: str | None = None
        self._plan = prediction.Plan()
        self._is_any_finished = False
        self._left_out: list[str] = []

    def predict(self) -> Generator[None]:
        """Predict, and yield again and again while a process works."""
        for _ in range(self.job.patience.processes):
            if not self.waiting or self.job.is_over():
                break
            child = watched_process.WatchedProcess(self._request(), self.environment)
            with contextlib.closing(child):
                why = yield from self._watch(child)
            if why is None or self.job.is_over() or not self._blame(child, why):
                break

    def _request(self) -> dict[str, Any]:
        limit = self.job.limit
        return {
            "run": str(self.job.run.files.root),
            "data": str(self.job.data),
            "scans": self.waiting,
            # A time of the clock, so that starting the process counts as well.
            "end": time.time() + limit.left() if limit else None,
            "plan": dataclasses.asdict(self._plan),
        }

    def _watch(
        self, child: watched_process.WatchedProcess
    ) -> Generator[None, None, str | None]:
        """Pass on the reports of a process; return why it failed, or None."""
        why = None
        while not why:
            for name, *values in child.reports():
                if name == "over":
                    (self.error,) = values
                    if not self.error:
                        # It has reported the scans that it could not predict.
                        self.waiting = []
                    return None
                if name == "warn":
                    self.tell.warn(*values)
                elif name == "finish":
                    self._finish(*values)
            yield
            is_over = self.job.is_over()
            why = "was too slow" if is_over else child.fault(self.job.patience)
        return why

    def _finish(self, scan: str, rows: partial.Rows) -> None:
        self.tell.finish(scan, partial.from_rows(rows))
        self.waiting.remove(scan)
        self._is_any_finished = True

    def _blame(self, child: watched_process.WatchedProcess, why: str) -> bool:
        """Leave out the cause of a death if it is known; return whether to go on.

        Several stages work at once, and all networks work on each scan. So if the cause
        is not known, the next process works carefully.
        """
        is_known = self._plan.careful or child.is_scan_finished
        if len(child.works) != 1 or (child.works[0][0] == "scan" and not is_known):
            go_on = not self._plan.careful or child.is_scan_finished
            then = "the next one works step by step" if go_on else "no other is started"
            self.tell.warn("process ended", f"The process that predicts {why}; {then}.")
            self._plan = dataclasses.replace(self._plan, careful=True)
            return go_on
        ((kind, name),) = child.works
        if kind == "network":
            text = f"{name}: the process that used it {why}."
            self.tell.warn("network left out", text)
            without = [*self._plan.without, name]
            self._plan = dataclasses.replace(self._plan, without=without)
            return True
        text = f"{name} is left out: the process that worked on it {why}."
        self.tell.warn("process ended", text)
        self.waiting.remove(name)
        self._left_out.append(name)
        if len(self._left_out) == 2 and not self._is_any_finished:
            # Each network works alone, but no scan works with all of them.
            text = "no scan could be predicted with all networks: now with one."
            self.tell.warn("effort lowered", text)
            self._plan = dataclasses.replace(self._plan, one_network=True)
            self.waiting[:0] = self._left_out
        return True
