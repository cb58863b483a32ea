"""What happened during a blind run: each event a warning, a line and a count."""

import collections
import json
import pathlib
import threading
from collections.abc import Iterable
from typing import Any

from competition.core import console, problems

_WARNING = "warning: "


class EventLog:
    """Writes events to `path` as they happen, the summary as the last line.

    It goes on in the file of a killed run where it is told so: what that one met
    counts, and is not told again.
    """

    def __init__(self, path: pathlib.Path, *, go_on: bool = False) -> None:
        self.path = path
        self.counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        self._told: set[str] = set()
        if go_on:
            self._read()
        else:
            path.unlink(missing_ok=True)

    def warn(self, kind: str, text: str) -> None:
        """Count an event; the console shows the first of each kind only."""
        line = f"{_WARNING}{kind}: {' '.join(text.split())}"
        with self._lock:
            if line in self._told:
                return
            self.counts[kind] += 1
            if self.counts[kind] <= problems.SHOWN:
                console.warn(text)
            self._write(line)

    def warn_all(self, faults: Iterable[problems.Problem]) -> None:
        """Count what is wrong with the data."""
        for fault in faults:
            self.warn(fault.kind, fault.text)

    def end(self, summary: dict[str, Any]) -> None:
        """Write the counts and, in one line of JSON, the summary."""
        for kind, count in sorted(self.counts.items()):
            console.note(f"{count} x {kind}")
            self._write(f"{count} x {kind}")
        self._write(json.dumps(summary))

    def _read(self) -> None:
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except (OSError, ValueError):
            return
        self._told = {line for line in lines if line.startswith(_WARNING)}
        kinds = (line.removeprefix(_WARNING).partition(": ")[0] for line in self._told)
        self.counts.update(kinds)

    def _write(self, line: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            # A full disk must not cost the submission.
            console.warn(f"{self.path}: {error}")


def summary(path: pathlib.Path) -> dict[str, Any]:
    """The summary that a journal ends with; {} where it has none."""
    try:
        *_, last = path.read_text("utf-8").splitlines()
        found = json.loads(last)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
