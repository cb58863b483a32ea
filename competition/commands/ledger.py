"""Commands of the ledger: list the kept experiments, add one, set its scores."""

from typing import Annotated

import typer

from competition.commands import options, output
from competition.core.experiment import layout

app = typer.Typer(
    help="The experiments worth keeping, and the leaderboard's scores.",
    epilog="Example:\npython -m competition ledger",
)


@app.callback()
def show(
    context: typer.Context,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """List the kept experiments, and compare their scores with the leaderboard's."""
    from competition import ledger

    if not context.invoked_subcommand:
        output.result(ledger.show(submissions), as_json, output.ledger)
    elif as_json or submissions != options.SUBMISSIONS:
        raise typer.BadParameter(f"give options after {context.invoked_subcommand}")


@app.command(**options.example("ledger add", "smoke"))
def add(
    experiment: Annotated[str, typer.Argument(help="The name of a run.")],
    data: options.RunData = None,
    work: options.Work = layout.WORK,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Copy an experiment's config, decision, score and pictures, and enter it."""
    from competition import ledger

    entry = ledger.add(experiment, work=work, submissions=submissions, data=data)
    output.result(entry, as_json)


@app.command(**options.example("ledger set", "smoke --public 0.87 --private 0.86"))
def set_scores(
    experiment: Annotated[str, typer.Argument(help="A kept experiment.")],
    public: Annotated[float | None, typer.Option(help="The public score.")] = None,
    private: Annotated[float | None, typer.Option(help="The private score.")] = None,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Enter the leaderboard's scores of a kept experiment."""
    from competition import ledger

    entry = ledger.set_scores(
        experiment, submissions=submissions, public=public, private=private
    )
    output.result(entry, as_json)
