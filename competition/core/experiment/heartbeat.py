"""The heartbeat: a small file in which a training says every few seconds how far it is.

`watch` reads this file, also from another machine; training takes no values from it. A
killed fold leaves it behind, which its age shows.

Locks keep two processes apart on one machine, and on some network file systems. On
other file systems this file does: it names the process that writes it.
"""

import contextlib
import json
import math
import os
import pathlib
import platform
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, NotRequired

import typing_extensions

from competition.core import files, locks, storage

SECONDS = 5.0
# An older file has no writer any more. The margin allows for network file systems that
# show times late.
FRESH_SECONDS = 60.0
# The number of beats to wait, to see whether another machine writes the file.
BEATS = 3


class Beat(typing_extensions.TypedDict):
    """What a fold does, in a word, and how far it is: epochs and steps count from 0.

    `seconds` have passed since the epoch began; `memory` is the most bytes so far.
    `beats` counts the writes of the file, by a `process` on a `node`.
    """

    doing: str
    epoch: NotRequired[int]
    step: NotRequired[int]
    steps: NotRequired[int]
    seconds: NotRequired[float]
    loss: NotRequired[float | None]
    memory: NotRequired[int | None]
    node: NotRequired[str]
    process: NotRequired[str]
    beats: NotRequired[int]


class Heartbeat:
    """Writes the file at `path` inside its `with` block, and removes it at the end.

    `memory` returns the bytes in use. A beat that cannot be written is skipped, and
    training goes on. If another process writes the file, training ends with an error.
    """

    def __init__(
        self,
        path: pathlib.Path,
        memory: Callable[[], int | None],
        *,
        every: float = SECONDS,
    ) -> None:
        self.path, self.every, self._memory = path, every, memory
        self.memory: int | None = None
        self._me = {"node": platform.node(), "process": uuid.uuid4().hex[:8]}
        self._beats, self._rival = 0, ""
        self._beat: dict[str, Any] = {"doing": "starting"}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._check_alone()
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if not self._rival:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            storage.beat(self.path, is_over=True)

    def now(self, doing: str, **where: Any) -> None:
        """Remember what the fold does; the file says so at the next beat."""
        if self._rival:
            raise ValueError(self._held_by(self._rival))
        self._beat = {**self._beat, "doing": doing, **where}

    def _check_alone(self) -> None:
        """Refuse to begin while another machine writes the file."""
        patience = time.monotonic() + locks.ENDING_SECONDS
        while node := self._writer():
            if time.monotonic() > patience:
                raise ValueError(self._held_by(node))

    def _writer(self) -> str | None:
        """Return the other machine that writes the file, or None if nobody does.

        The file is read again for some beats, because the clocks may differ.
        """
        first = read(self.path)
        if not first or first.get("node", platform.node()) == platform.node():
            return None
        end = time.monotonic() + BEATS * self.every
        while time.monotonic() < end:
            time.sleep(self.every / 5)
            if (now := read(self.path)) and now != first:
                return now.get("node")
        return None

    def _held_by(self, node: str) -> str:
        return (
            f"{self.path}: {node} works on this fold just now. Wait for its end, or "
            "choose another `name`."
        )

    def _go_on(self) -> None:
        shown = -math.inf
        while not self._rival and not self._end.wait(self.every):
            beat, mine = read(self.path), self._me["process"]
            if beat and beat.get("process", mine) != mine:
                self._rival = beat.get("node", "another machine")
                return
            self._write()
            if time.monotonic() - shown > storage.BEAT_SECONDS:
                shown = time.monotonic()
                storage.beat(self.path)

    def _write(self) -> None:
        used = None
        # A driver that cannot tell the memory must not end a training either.
        with contextlib.suppress(Exception):
            used = self._memory()
        self.memory = max((each for each in (self.memory, used) if each), default=None)
        loss = self._beat.get("loss")
        if loss is not None and not math.isfinite(loss):
            loss = None
        self._beats += 1
        about = {"loss": loss, "memory": self.memory, "beats": self._beats}
        text = json.dumps({**self._beat, **about, **self._me})
        temporary = self.path.with_name(f"{self.path.name}-{os.getpid()}")
        # Not `files.replacing`: it would create a folder again that was taken away.
        with contextlib.suppress(OSError):
            try:
                temporary.write_text(text, "utf-8")
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)


def read(path: pathlib.Path) -> Beat | None:
    """Return the contents of the file, or None if it is missing or damaged."""
    try:
        beat: Beat = files.read_json(path, Beat)
    except (OSError, ValueError, storage.StorageError):
        return None
    return beat


def age(path: pathlib.Path) -> float:
    """Return the seconds since the file was written; infinite if it is missing."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return math.inf
