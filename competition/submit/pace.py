"""Measures how fast scans are predicted, and lowers the effort to end in time."""

import statistics
from collections.abc import Callable

from competition.machine import deadline
from competition.submit import effort

# Few, so that it follows a machine that becomes slower; the median of them, so that
# one scan that took longer, as the first does, changes nothing.
_REMEMBERED = 5


class Pace:
    """The effort for the rest of `slices` slices until `end`, None for no end."""

    def __init__(
        self,
        full: effort.Effort,
        end: deadline.Deadline | None,
        *,
        slices: int,
        say: Callable[[str], None],
    ) -> None:
        self.effort = full
        self.end = end
        self.slices = slices
        self.say = say
        self._rates: list[float] = []

    def record(self, slices: int, seconds: float) -> None:
        """Remember how long so many slices took with the present effort."""
        self._rates.append(seconds / slices / self.effort.cost)
        del self._rates[:-_REMEMBERED]

    def done(self, slices: int) -> None:
        """So many slices fewer remain."""
        self.slices -= slices

    def seconds(self, slices: int) -> float:
        """How long so many slices would take with the present effort."""
        rate = statistics.median(self._rates) if self._rates else 0.0
        return rate * slices * self.effort.cost

    def allows(self, slices: int) -> bool:
        """Whether the next scan, of so many slices, can be predicted in time.

        The effort is lowered until all that remains can; if it cannot be lowered
        any more, as many scans are predicted as possible.
        """
        if self.end is None:
            return True
        while not self.end.allows(self.seconds(self.slices)):
            lower = self.effort.lower()
            if lower is None:
                break
            self.say(
                f"{self.slices} slices would take "
                f"{deadline.show(self.seconds(self.slices))} with {self.effort}, "
                f"{deadline.show(self.end.left())} are left: now with {lower}."
            )
            self.effort = lower
        return self.end.left() > 0 and self.end.allows(self.seconds(slices))
