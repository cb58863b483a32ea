"""The experiments worth keeping, and what the leaderboard said of them."""

import pathlib
from typing import Annotated

import typer

from competition.commands import options, output

app = typer.Typer(help="The experiments worth keeping, and the leaderboard's scores.")


@app.callback()
def ledger(
    context: typer.Context,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """List the kept experiments, and how the leaderboard follows our score."""
    from competition import ledger as books

    if context.invoked_subcommand:
        return
    shown = books.show(submissions)
    if as_json:
        output.result(shown, as_json)
    else:
        output.ledger(shown)


@app.command("add")
def ledger_add(
    experiment: Annotated[str, typer.Argument(help="The name of a run.")],
    data: Annotated[
        pathlib.Path | None,
        typer.Option("--data", help="Where several have such a run."),
    ] = None,
    work: options.Work = options.WORK,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Copy an experiment's config, decision, score and pictures, and enter it."""
    from competition.core.experiment import layout, runs
    from competition.ledger import archive

    dataset = layout.dataset(data, work) if data else archive.find(experiment, work)
    run = runs.read(dataset.run(experiment))
    output.result(archive.add(dataset, run, submissions=submissions), as_json)


@app.command("set")
def ledger_set(
    experiment: Annotated[str, typer.Argument(help="A kept experiment.")],
    public: Annotated[float | None, typer.Option(help="The public score.")] = None,
    private: Annotated[float | None, typer.Option(help="The private score.")] = None,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Enter what the leaderboard says of a kept experiment."""
    from competition import ledger as books

    scores = books.set_scores(
        experiment, submissions=submissions, public=public, private=private
    )
    output.result(scores, as_json)
