"""How far a fold is just now: a small file that its training writes every few seconds.

It is there for who looks on, also from another machine; nothing is read back from it to
train. A fold that is killed leaves it behind, and its age tells that.
"""

import contextlib
import json
import math
import os
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any, NotRequired

import typing_extensions

from competition.core import files

SECONDS = 5.0
# Nobody writes any more where the file is older; a network file system may show its
# time so much too late.
FRESH_SECONDS = 60.0


class Beat(typing_extensions.TypedDict):
    """What a fold does, in a word, and where it is: epochs and steps count from 0.

    `seconds` have passed since the epoch began; `memory` are the most bytes so far.
    """

    doing: str
    epoch: NotRequired[int]
    step: NotRequired[int]
    steps: NotRequired[int]
    seconds: NotRequired[float]
    loss: NotRequired[float | None]
    memory: NotRequired[int | None]


class Heartbeat:
    """Writes the file at `path` inside its `with` block, and removes it at the end.

    `memory` returns the bytes in use. What cannot be written is left out: a training
    does not end for that.
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
        self._beat: dict[str, Any] = {"doing": "starting"}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def now(self, doing: str, **where: Any) -> None:
        """Remember what the fold does; the file says so at the next beat."""
        self._beat = {**self._beat, "doing": doing, **where}

    def _go_on(self) -> None:
        while not self._end.wait(self.every):
            self._write()

    def _write(self) -> None:
        used = None
        # A driver that tells nothing must not end a training either.
        with contextlib.suppress(Exception):
            used = self._memory()
        self.memory = max((each for each in (self.memory, used) if each), default=None)
        loss = self._beat.get("loss")
        if loss is not None and not math.isfinite(loss):
            loss = None
        text = json.dumps({**self._beat, "loss": loss, "memory": self.memory})
        temporary = self.path.with_name(f"{self.path.name}-{os.getpid()}")
        # Not `files.replacing`, which would make a folder anew that was taken away.
        with contextlib.suppress(OSError):
            try:
                temporary.write_text(text, "utf-8")
                os.replace(temporary, self.path)
            finally:
                temporary.unlink(missing_ok=True)


def read(path: pathlib.Path) -> Beat | None:
    """Read the file; None where it is missing or damaged."""
    try:
        beat: Beat = files.read_json(path, Beat)
    except (OSError, ValueError):
        return None
    return beat


def age(path: pathlib.Path) -> float:
    """Return the seconds since the file was written; infinite where it is missing."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return math.inf
