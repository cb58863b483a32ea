"""Messages to a person, on standard error: standard output is for results alone."""

from rich import console

ERR = console.Console(stderr=True)


def note(text: str) -> None:
    """Print a message about the work in hand."""
    ERR.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning: something is not as expected, but the work goes on."""
    note(f"warning: {text}")
