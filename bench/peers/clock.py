"""The clock of a peer's budget: processor time, without that of evaluations."""

import contextlib
import os
from collections.abc import Callable, Iterator

from bench.peers import volumes

# A peer is evaluated at these shares of its budget; the last evaluation is at the end.
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def used() -> float:
    """Return the processor seconds of this process, its threads and ended children."""
    return sum(os.times()[:4])


class Clock:
    """Count the seconds of training, without those of evaluations in between.

    `evaluate` takes a function that predicts and returns the Dice of each class;
    `curve` holds the seconds and the Dice of each evaluation.
    """

    def __init__(
        self,
        seconds: float,
        evaluate: Callable[[volumes.Predict], list[float]],
        *,
        cpu: Callable[[], float] = used,
    ) -> None:
        self.seconds, self.curve = seconds, list[tuple[float, list[float]]]()
        self._evaluate, self._cpu = evaluate, cpu
        self._began, self._paused = cpu(), 0.0
        self._waiting = list(SHARES)

    def spent(self) -> float:
        """Return the seconds of the budget that are used."""
        return self._cpu() - self._began - self._paused

    def share(self) -> float:
        """Return the used share of the budget, at most 1: rates fall by it."""
        return min(1.0, self.spent() / self.seconds)

    def goes_on(self, predict: volumes.Predict) -> bool:
        """Evaluate if it is time for that, and return whether time is left to train."""
        if (now := self.share()) < 1 and self._waiting and now >= self._waiting[0]:
            self._waiting = [share for share in self._waiting if share > now]
            spent = self.spent()
            with self.paused():
                self.curve.append((spent, self._evaluate(predict)))
        return now < 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block, which evaluates or prepares data."""
        began = self._cpu()
        yield
        self._paused += self._cpu() - began
