"""How long a training waits for its batches."""

import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

Batch = TypeVar("Batch")


class Waiting:
    """Adds up the seconds in which `fit` does nothing but wait for the next batch.

    A GPU may still compute the previous step meanwhile, so at most this time is lost.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds: float | None = None

    def timed(self, batches: Iterator[Batch]) -> Generator[Batch]:
        """Yield the batches, and count the time until each is there."""
        while True:
            began = self.clock()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._seconds = (self._seconds or 0.0) + self.clock() - began
            yield batch
            # Otherwise it stays in memory during the wait for the next one.
            del batch

    def take(self) -> float | None:
        """Return the seconds since the last call; None where no wait was timed."""
        taken, self._seconds = self._seconds, None
        return taken
