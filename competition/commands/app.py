"""The command line as a whole."""

import typer

from competition.commands import kernel, ledger, sources, steps, study, training

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a competition folder to a scored submission.",
    epilog="Example:\npython -m competition phantom work/phantom --small",
)
for part in (sources, training, steps, study):
    app.add_typer(part.app)
app.add_typer(ledger.app, name="ledger", invoke_without_command=True)
app.add_typer(kernel.app, name="kernel")
