"""The command line: the only place that reads arguments."""

import sys

import typer

from competition.commands import kernel, ledger, sources, steps, study
from competition.core import console
from competition.machine import process

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a competition folder to a scored submission.",
    epilog="Example:\npython -m competition phantom work/phantom --small",
)
for part in (sources, steps, study):
    app.add_typer(part.app)
app.add_typer(ledger.app, name="ledger", invoke_without_command=True)
app.add_typer(kernel.app, name="kernel")


def main() -> None:
    """Run a command; an error is a message and exit code 1, never a traceback."""
    if process.is_child():
        process.run_as_child(app)
        return
    try:
        app()
    except (ValueError, OSError) as error:
        console.note(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
