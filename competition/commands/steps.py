"""The commands of the steps, in their order, and `run`, which takes them all."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from competition.commands import options, output

if TYPE_CHECKING:
    from competition import pipeline

app = typer.Typer()


@app.command(**options.example(f"prepare {options.PHANTOM}"))
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

    settings = step.PrepareOptions(
        folds, fold_seed, fold_file, faulty, verify, quarantine
    )
    manifest = pipeline.prepare(data, work=work, options=settings)
    if as_json:
        output.result(manifest, as_json)
        return
    output.folds(manifest["fold_table"])
    shown = ("cases", "scans", "slices", "faulty", "quarantined", "gaps")
    output.result({key: manifest[key] for key in shown}, as_json)


@app.command(
    **options.example(f"train {options.PHANTOM}", "--experiment smoke --fold 0")
)
def train(
    data: options.DataOfExperiment = None,
    experiment: options.ExperimentOrRun = None,
    run: options.RunFolder = None,
    work: options.Work = options.WORK,
    fold: options.Fold = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Train the experiment's folds; a killed training goes on where it stopped.

    Or those of the run in a folder, which knows its experiment and its data.
    """
    from competition import pipeline
    from competition import train as step

    if run is not None and not (data or experiment or override or name):
        dataset, opened = pipeline.open_run(run)
    elif run is None and data is not None and experiment is not None:
        job = _job(data, experiment, work, override, name)
        dataset, opened = job.dataset, job.run
    else:
        raise typer.BadParameter("give either --data and --experiment, or --run alone")
    trained = step.run(dataset, opened, fold=fold, budget=budget)
    output.result(trained, as_json)


@app.command(**options.example(f"predict {options.PHANTOM} --experiment smoke"))
def predict(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Predict every training scan by the fold that held it out."""
    from competition import predict as step

    job = _job(data, experiment, work, override, name)
    output.result(step.run(job.dataset, job.run), as_json)


@app.command(**options.example(f"decide {options.PHANTOM} --experiment smoke"))
def decide(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Find the rule that turns probabilities into masks."""
    from competition import decide as step

    job = _job(data, experiment, work, override, name)
    output.result(step.run(job.dataset, job.run), as_json)


@app.command(**options.example(f"submit {options.PHANTOM} --experiment smoke"))
def submit(
    data: options.Data,
    experiment: options.ExperimentOrRun = None,
    run: options.RunFolder = None,
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


@app.command(
    **options.example(
        f"validate {options.PHANTOM}",
        "--submission work/competition/runs/smoke/submission.csv",
    )
)
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
    output.result(result, as_json, output.faults)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command(
    **options.example(
        f"score {options.PHANTOM}",
        "--truth work/phantom/solution.csv",
        "--submission work/competition/runs/smoke/submission.csv",
    )
)
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
    output.result(result, as_json, lambda result: output.scores({"submission": result}))


@app.command(**options.example(f"report {options.PHANTOM} --experiment smoke"))
def report(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Write the page about a run."""
    from competition import report as step

    job = _job(data, experiment, work, override, name)
    output.result(step.run(job.dataset, job.run), as_json)


@app.command(
    **options.example(
        f"run {options.PHANTOM} --experiment smoke",
        "--truth work/phantom/solution.csv",
    )
)
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
) -> "pipeline.Job":
    from competition import pipeline

    return pipeline.open_job(
        experiment, data=data, work=work, overrides=tuple(override or ()), name=name
    )
