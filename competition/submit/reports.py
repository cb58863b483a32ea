"""The reports of the work on scans: to a log and a part file, or to another process."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from competition.submit import partial


def _ignore(*values: Any) -> None:
    pass


@dataclasses.dataclass(frozen=True, slots=True)
class Reports:
    """The functions that receive an event, a finished scan and each sign of life.

    `begin` and `end` receive the kind of a work, "network" or "scan", and a name.
    """

    warn: Callable[[str, str], None]
    finish: Callable[[str, partial.EncodedMasks], None] = _ignore
    begin: Callable[[str, str], None] = _ignore
    end: Callable[[str, str], None] = _ignore
    alive: Callable[[], None] = _ignore

    @contextlib.contextmanager
    def network(self, name: str) -> Iterator[None]:
        """Report the begin and the end of work with one network alone."""
        self.begin("network", name)
        try:
            yield
        finally:
            self.end("network", name)

    @contextlib.contextmanager
    def scan(self, name: str, consequence: str) -> Iterator[None]:
        """Report the begin and the end of work on a scan.

        Any error in it becomes an event, with its consequence.
        """
        self.begin("scan", name)
        try:
            yield
        except Exception as error:
            self.warn("unexpected", f"{consequence}: {error!r}")
        finally:
            self.end("scan", name)
