"""The events of a blind run: each is a warning, a line of submit.log and a count.

The traceback of a caught error follows its line.
"""

import collections
import contextlib
import json
import os
import pathlib
import textwrap
import threading
from typing import Any

from competition.core import console, files, problems, storage

_WARNING, _BUDGET = "warning: ", "budget: "


class EventLog:
    """Writes events to `path` as they happen, and a summary as the last line.

    With `resume` it continues the file of a killed run: the events in it count and are
    not repeated. `budget_before` is the budget of that run, or else the present one.
    """

    def __init__(
        self, path: pathlib.Path, *, budget: str | None = None, resume: bool = False
    ) -> None:
        self.path = path
        # The stages, which are threads, write to one file.
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            if resume and path.is_file():
                _drop_half_line(path)
            else:
                files.remove(path)
        # There may be time now for a scan that had none before.
        self._lines = {
            line
            for line in _lines(path)
            if line.startswith(_WARNING) and not line.startswith(f"{_WARNING}no time:")
        }
        self.counts = collections.Counter(
            line.removeprefix(_WARNING).partition(": ")[0] for line in self._lines
        )
        told = [line for line in _lines(path) if line.startswith(_BUDGET)]
        before = told[-1].removeprefix(_BUDGET) if told else str(budget)
        self.budget_before = None if before == str(None) else before
        if budget or told:
            self._write(f"{_BUDGET}{budget}")

    def warn(self, kind: str, text: str, trace: str = "") -> None:
        """Count an event; the console shows only the first events of each kind.

        The traceback of the error is written to the file only.
        """
        line = f"{_WARNING}{kind}: {' '.join(console.readable(text).split())}"
        with self._lock:
            if line in self._lines:
                return
            self.counts[kind] += 1
            if self.counts[kind] <= problems.SHOWN:
                console.warn(text)
            # The traceback is indented, so that none of its lines reads as an event.
            below = textwrap.indent(console.readable(trace).rstrip(), "    ")
            self._write(f"{line}\n{below}" if below else line)

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the counts and, in one line of JSON, the summary."""
        for kind, count in sorted(self.counts.items()):
            console.note(f"{count} x {kind}")
            self._write(f"{count} x {kind}")
        self._write(json.dumps(summary))
        storage.publish(self.path)

    def _write(self, line: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            # A full disk must not stop the submission.
            console.warn(f"{self.path}: {error}")


def _drop_half_line(path: pathlib.Path) -> None:
    """Remove the last line if a killed process wrote only a part of it."""
    data = files.read_bytes(path)
    end = data.rfind(b"\n") + 1
    if end < len(data):
        # The file is cut in place. A new one would be uploaded, and only its owner
        # could write to it.
        os.truncate(path, end)


def read_summary(path: pathlib.Path) -> dict[str, Any]:
    """Return the summary at the end of a log; {} if there is none."""
    try:
        summary = json.loads(_lines(path)[-1])
    except (IndexError, ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}


def _lines(path: pathlib.Path) -> list[str]:
    """Return the lines of a log; [] if it cannot be read."""
    try:
        return files.read_text(path).splitlines()
    except (OSError, ValueError):
        return []
