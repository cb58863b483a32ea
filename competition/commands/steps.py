"""The commands of the steps after `train`, in order, and `run`, which takes all."""

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from competition.commands import options, output
from competition.core import console
from competition.core.experiment import layout

if TYPE_CHECKING:
    from competition.core.experiment import runs

app = typer.Typer()

File = pathlib.Path | None


def _opened(
    experiment: str,
    data: pathlib.Path,
    work: pathlib.Path,
    override: list[str] | None,
    name: str | None,
    *,
    creates: bool = False,
    decides: bool = False,
) -> tuple[layout.DatasetFiles, "runs.Run"]:
    """Open the run of an experiment by the options of a command."""
    from competition import opening

    return opening.open_experiment(
        experiment, data=data, work=work, overrides=tuple(override or ()), name=name,
        creates=creates, decides=decides,
    )  # fmt: skip


@app.command(**options.example("predict", f"{options.PHANTOM} --experiment smoke"))
def predict(
    data: options.Data,
    experiment: options.Experiment,
    images: Annotated[
        File, typer.Option(help="Volumes or images without labels, to be labelled.")
    ] = None,
    out: Annotated[
        File, typer.Option(help="With --images: the folder for their labels.")
    ] = None,
    work: options.Work = layout.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Predict every training scan by the fold that held it out.

    With --images and --out, all folds of the trained run label new volumes or images
    instead: each gets a label volume or mask image, in its own geometry.
    """
    from competition import new_volumes, opening
    from competition import predict as step

    if images and out and not override:
        run = opening.open_trained(experiment, data=data, work=work, name=name)
        result = new_volumes.run(run, data=data, images=images, out=out)
        output.result(result, as_json, output.labelled)
        if result["failed"]:
            raise typer.Exit(1)
    elif images or out:
        raise typer.BadParameter("give --images with --out, and without --set")
    else:
        # This may be the first step of a blend of trained runs, so it creates the run.
        opened = _opened(experiment, data, work, override, name, creates=True)
        output.result(step.run(*opened), as_json)


@app.command(**options.example("decide", f"{options.PHANTOM} --experiment smoke"))
def decide(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = layout.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Find the rule that turns probabilities into masks."""
    from competition import decide as step

    opened = _opened(experiment, data, work, override, name, creates=True, decides=True)
    output.result(step.run(*opened), as_json, output.decided)


@app.command(**options.example("submit", f"{options.PHANTOM} --experiment smoke"))
def submit(
    data: options.Data,
    experiment: options.OptionalExperiment = None,
    run: options.RunFolder = None,
    work: options.Work = layout.WORK,
    out: Annotated[
        File, typer.Option(help="Default: submission.csv in the run.")
    ] = None,
    budget: options.Budget = None,
    cluster: options.Cluster = None,
    as_json: options.Json = False,
) -> None:
    """Write submission.csv for the test folder."""
    from competition import pipeline
    from competition.cluster import opened

    if experiment and not run:
        run = layout.dataset(data, work).run(layout.run_name(experiment)).root
    elif experiment or not run:
        raise typer.BadParameter("give either --experiment or --run")
    with opened(cluster) as nodes:
        summary = pipeline.submit(
            run, data=data, out=out, budget=budget, guarded=True, nodes=nodes
        )
    output.result(summary, as_json)
    if summary.get("failure"):
        raise typer.Exit(1)


@app.command(**options.example("validate", options.PHANTOM, options.SUBMITTED))
def validate_submission(
    data: options.Data,
    submission: options.Submission,
    fix: Annotated[File, typer.Option(help="Write a repaired file here.")] = None,
    as_json: options.Json = False,
) -> None:
    """Say whether Kaggle would accept a submission."""
    from competition import validate

    result = validate.run(submission, data=data, fix=fix)
    output.result(result, as_json, output.faults)
    if fix and not result["ok"]:
        console.note(f"{fix} is not written: these faults have no safe repair")
    if not result["ok"]:
        raise typer.Exit(1)


@app.command(
    **options.example("score", options.PHANTOM, options.SOLUTION, options.SUBMITTED)
)
def score_submission(
    data: options.Data,
    truth: Annotated[File, typer.Option(help="train.csv or a solution.")] = None,
    submission: Annotated[File, typer.Option(help="The file.")] = None,
    experiment: options.OptionalExperiment = None,
    work: options.Work = layout.WORK,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Compute the competition's score of a submission.

    With --experiment, compute the out-of-fold score of its run and the calibration of
    its probabilities, and with --truth the score of its submission too.
    """
    from competition import score

    if experiment and not submission:
        opened = _opened(experiment, data, work, override, name)
        scored = score.of_run(*opened, data=data, truth=truth)
        output.result(scored, as_json, output.scored)
    elif truth and submission and not (experiment or override or name):
        result = score.of_submission(truth, submission, data=data)
        output.result(result, as_json, lambda each: output.scores({"submission": each}))
    else:
        raise typer.BadParameter("give --truth and --submission, or --experiment")


@app.command(**options.example("report", f"{options.PHANTOM} --experiment smoke"))
def report_run(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = layout.WORK,
    override: options.Set = None,
    name: options.Name = None,
    pages: Annotated[
        bool,
        typer.Option("--pages", help="A page for every held-out scan, with an index."),
    ] = False,
    png: Annotated[
        bool,
        typer.Option(
            "--png", help="Write curves, scores and slices as PNG files as well."
        ),
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="A run to compare with, by its name or its folder."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write the page about a run, with a viewer of its scans.

    With --against, also write a page that says where another run is better, and how
    sure that is.
    """
    from competition import report
    from competition.core.pages import stills

    opened = _opened(experiment, data, work, override, name)
    result = report.run(*opened, pages=pages)
    if png:
        result["pictures"] = [str(path) for path in stills.write(*opened)]
    if against:
        result |= report.compare(*opened, against)
    output.result(result, as_json, output.compared if against else output.lines)


@app.command(
    **options.example("run", f"{options.PHANTOM} --experiment smoke", options.SOLUTION)
)
def run(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = layout.WORK,
    truth: options.Truth = None,
    folds: options.Folds = None,
    fold_seed: options.FoldSeed = None,
    fold_file: options.FoldFile = None,
    faulty: options.Faulty = None,
    quarantine: options.Quarantine = None,
    fold: options.Fold = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    cluster: options.Cluster = None,
    as_json: options.Json = False,
) -> None:
    """Take every step from prepare to report; go on where the last call stopped.

    Prepared data keeps its folds, unless you ask for others.
    """
    from competition import pipeline, prepare
    from competition.cluster import opened

    given = prepare.PrepareOptions(
        folds, fold_seed, fold_file, faulty, quarantine=quarantine
    )
    with opened(cluster) as nodes:
        results = pipeline.run(
            experiment, data=data, work=work, options=given,
            overrides=tuple(override or ()), name=name, truth=truth, fold=fold,
            budget=budget, nodes=nodes,
        )  # fmt: skip
    output.result(results, as_json, output.run)
