"""The reports of the work on scans: to a log and a part file, or to another process."""

import contextlib
import dataclasses
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from competition.submit import partial


def _ignore(*values: Any) -> None:
    pass


class Warn(Protocol):
    """A function that receives an event, and the traceback of the error behind it."""

    def __call__(self, kind: str, text: str, trace: str = "") -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Reports:
    """The functions that receive an event, a finished scan and each sign of life.

    `begin` and `end` receive what is in work, "network" or "scan", and its name.
    """

    warn: Warn
    finish: Callable[[str, partial.EncodedMasks], None] = _ignore
    begin: Callable[[str, str], None] = _ignore
    end: Callable[[str, str], None] = _ignore
    alive: Callable[[], None] = _ignore

    def failed(self, kind: str, text: str, error: Exception) -> None:
        """Report an error that was caught: an event with its traceback."""
        self.warn(kind, text, "".join(traceback.format_exception(error)))

    @contextlib.contextmanager
    def network(self, name: str) -> Iterator[None]:
        """Report the start and the end of work with one network alone."""
        self.begin("network", name)
        try:
            yield
        finally:
            self.end("network", name)

    @contextlib.contextmanager
    def scan(self, name: str, consequence: str) -> Iterator[None]:
        """Report the start and the end of work on a scan.

        Any error in it becomes an event, whose text begins with `consequence`.
        """
        self.begin("scan", name)
        try:
            yield
        except Exception as error:
            self.failed("unexpected", f"{consequence}: {error!r}", error)
        finally:
            self.end("scan", name)
