"""A budget of time, and the part of it that is left."""

import re
import time
from collections.abc import Callable, Sequence

Clock = Callable[[], float]
SECONDS = {"h": 3600, "m": 60, "s": 1}


class Deadline:
    """The moment at which a budget of seconds, begun now, is used up."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left; below 0 after the deadline."""
        return self.end - self.clock()

    def allows(self, seconds: float) -> bool:
        """Return whether work of `seconds`, begun now, would end in time."""
        return self.left() >= seconds

    def share(self, parts: float) -> "Deadline":
        """Return the deadline of the first of `parts` equal parts of the time left."""
        return Deadline(self.left() / parts, self.clock)


def start(
    budget: str | None, clock: Clock = time.monotonic, *, reserve: float = 0.0
) -> Deadline | None:
    """Return the deadline of a budget such as "8h30m" from now on; None without one.

    It is earlier by `reserve`, a share of the budget.
    """
    return Deadline(parse(budget) * (1 - reserve), clock) if budget else None


def parse(text: str) -> float:
    """Parse a budget such as "8h30m", "90m" or "45s" into seconds."""
    if not re.fullmatch(r"(?=\d)(\d{1,6}h)?(\d{1,6}m)?(\d{1,10}s)?", text):
        raise ValueError(
            "A budget is hours, minutes and seconds, such as 8h30m, 90m or 45s. "
            f"Received: {text!r}."
        )
    parts = re.findall(r"(\d+)([hms])", text)
    return float(sum(int(number) * SECONDS[unit] for number, unit in parts))


def budget(limit: Deadline | None) -> str | None:
    """Write the time left as a budget, in whole seconds; None without a limit."""
    return f"{max(0, int(limit.left()))}s" if limit else None


def total(seconds: Sequence[float | None]) -> float | None:
    """Return the sum of times; None if one of them is unknown."""
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None


def show(seconds: float) -> str:
    """Write seconds as a person would: "8h30m", "12m" or "45s"."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"
