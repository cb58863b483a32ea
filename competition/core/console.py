"""What is said to a person: on standard error, so that output stays for results."""

from rich import console

ERR = console.Console(stderr=True)


def note(text: str) -> None:
    """Say something about the work in hand."""
    ERR.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Say that something is not as expected, but the work goes on."""
    note(f"warning: {text}")
