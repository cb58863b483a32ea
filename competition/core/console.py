"""Messages and progress on standard error: standard output is for results alone."""

from collections.abc import Iterable
from typing import TypeVar

from rich import console, progress

ERR = console.Console(stderr=True)
Item = TypeVar("Item")


def readable(text: str) -> str:
    """Return a text in which the bytes of file names that are not UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def note(text: str) -> None:
    """Print a message about the current work."""
    ERR.print(readable(text), markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning: something is not as expected, but the work goes on."""
    note(f"warning: {text}")


def track(
    items: Iterable[Item], title: str, *, total: int | None = None
) -> Iterable[Item]:
    """Yield the items of a loop, and show how many of them are done."""
    return progress.track(items, title, total=total, console=ERR)
