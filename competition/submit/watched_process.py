"""A process that predicts: its work in progress, its silence, and why it must end."""

import contextlib
import dataclasses
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from competition.machine import deadline, memory, process

POLL_SECONDS = 0.1
# A killed process that has not ended after this time is left behind.
END_SECONDS = 10.0
# After the first scan, silence may last this many times the longest one before.
FACTOR = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """The seconds of silence, the bytes of memory and the processes to allow.

    `start` limits the silence until a process has finished its first scan, which
    includes imports and compilation; `silence` is the least limit after that. Without
    `memory` the processes share nine tenths of what is available.
    """

    start: float = 1800.0
    silence: float = 300.0
    memory: float | None = None
    processes: int = 8


class WatchedProcess:
    """A process that predicts what a request says, in an environment of its own."""

    def __init__(self, request: dict[str, Any], environment: Mapping[str, str]) -> None:
        command = ["-m", "competition.submit"]
        self.process = process.start(command, environment, stdout=subprocess.PIPE)
        self.works: list[list[str]] = []
        self.is_scan_finished = False
        self.is_ended = False
        self._heard = time.monotonic()
        self._longest = 0.0
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # In a thread: a pipe waits for the process at its other end, which may hang.
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

    def fault(self, patience: Patience) -> str | None:
        """Return why the process ended or must be ended; None while it works."""
        status = self.process.poll()
        if self.is_ended and status is not None:
            return f"was ended by {process.reason(status)}"
        allowed = patience.start
        if self.is_scan_finished:
            allowed = max(patience.silence, FACTOR * self._longest)
        if self.silence() > allowed:
            return f"gave no sign of life for {deadline.show(self.silence())}"
        most = patience.memory or float("inf")
        if (memory.resident(self.process.pid) or 0) > most:
            return f"needed more than {most / 1e9:.1f} GB of memory"
        return None

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        # A process that waits in the kernel, as for a dead mount, cannot be killed.
        self._thread.join(END_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        if not self._thread.is_alive() and self.process.poll() is not None:
            self.process.communicate()
