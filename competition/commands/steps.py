"""The steps, each a command, and `run`, which takes them all."""

import pathlib
from typing import Annotated, Any

import typer

from competition.commands import options, output

app = typer.Typer()


@app.command()
def prepare(
    data: options.Data,
    work: options.Work = options.WORK,
    folds: options.Folds = 5,
    fold_seed: options.FoldSeed = 0,
    fold_file: options.FoldFile = None,
    faulty: options.Faulty = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Re-check the checksum of every file.")
    ] = False,
    quarantine: options.Quarantine = False,
    as_json: options.Json = False,
) -> None:
    """Decode annotations and slices into arrays, and split the cases into folds."""
    from competition import pipeline
    from competition import prepare as step

    options = step.PrepareOptions(
        folds, fold_seed, fold_file, faulty, verify, quarantine
    )
    manifest = pipeline.prepare(data, work=work, options=options)
    if as_json:
        output.result(manifest, as_json)
        return
    output.folds(manifest["fold_table"])
    shown = ("cases", "scans", "slices", "faulty", "quarantined", "gaps")
    output.result({key: manifest[key] for key in shown}, as_json)


@app.command()
def train(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    fold: options.Fold = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Train the experiment's folds; a killed training goes on where it was."""
    from competition import train as step

    job = _job(data, experiment, work, override, name)
    trained = step.run(job.dataset, job.run, fold=fold, budget=budget)
    output.result(trained, as_json)


def _add_step(step: str, about: str) -> None:
    """Add the command of a step that takes nothing but a run."""

    @app.command(step, help=about)
    def take(
        data: options.Data,
        experiment: options.Experiment,
        work: options.Work = options.WORK,
        override: options.Set = None,
        name: options.Name = None,
        as_json: options.Json = False,
    ) -> None:
        from competition import pipeline

        job = _job(data, experiment, work, override, name)
        output.result(pipeline.STEPS[step](job), as_json)


_add_step("predict", "Predict every training scan by the fold that held it out.")
_add_step("decide", "Find the rule that turns probabilities into masks.")
_add_step("report", "Write the page about a run.")


@app.command()
def submit(
    data: options.Data,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="The run of this experiment.")
    ] = None,
    run: Annotated[
        pathlib.Path | None, typer.Option("--run", help="Or the folder of a run.")
    ] = None,
    work: options.Work = options.WORK,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", help="Default: submission.csv in the run."),
    ] = None,
    budget: options.Budget = None,
    as_json: options.Json = False,
) -> None:
    """Write submission.csv for the test folder."""
    from competition import pipeline
    from competition.core.experiment import layout

    if experiment is not None and run is None:
        folder = layout.run_of(layout.dataset(data, work), experiment).root
    elif run is not None and experiment is None:
        folder = run
    else:
        raise typer.BadParameter("give either --experiment or --run")
    result = pipeline.submit(folder, data=data, out=out, budget=budget)
    output.result(result, as_json)


@app.command()
def validate(
    data: options.Data,
    submission: Annotated[pathlib.Path, typer.Option("--submission", help="The file.")],
    fix: Annotated[
        pathlib.Path | None, typer.Option("--fix", help="Write a repaired file here.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say whether Kaggle would accept a submission."""
    from competition import validate as step

    result = step.run(submission, data=data, fix=fix)
    if as_json:
        output.result(result, as_json)
    else:
        output.faults(result)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def score(
    data: options.Data,
    truth: Annotated[
        pathlib.Path, typer.Option("--truth", help="train.csv or a solution.")
    ],
    submission: Annotated[pathlib.Path, typer.Option("--submission", help="The file.")],
    as_json: options.Json = False,
) -> None:
    """Compute the competition's score of a submission."""
    from competition import score as step

    result = step.run(truth, submission, data=data)
    if as_json:
        output.result(result, as_json)
    else:
        output.scores({"submission": result})


@app.command()
def run(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    truth: options.Truth = None,
    folds: options.Folds = 5,
    fold_seed: options.FoldSeed = 0,
    fold_file: options.FoldFile = None,
    faulty: options.Faulty = None,
    quarantine: options.Quarantine = False,
    fold: options.Fold = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Take every step, prepare to report, going on where it stopped."""
    from competition import pipeline
    from competition import prepare as step

    results = pipeline.run(
        experiment,
        data=data,
        work=work,
        options=step.PrepareOptions(
            folds, fold_seed, fold_file, faulty, quarantine=quarantine
        ),
        overrides=tuple(override or ()),
        name=name,
        truth=truth,
        fold=fold,
        budget=budget,
    )
    if as_json or "score" not in results:
        output.result(results, as_json)
        return
    output.scores({k: v for k, v in results["score"].items() if v})
    paths = {"submission": results["submit"]["submission"], **results["report"]}
    output.result(paths, as_json)


def _job(
    data: pathlib.Path,
    experiment: str,
    work: pathlib.Path,
    override: list[str] | None,
    name: str | None,
) -> Any:
    from competition import pipeline

    return pipeline.open_job(
        experiment, data=data, work=work, overrides=tuple(override or ()), name=name
    )
