"""Commands to study data and experiments: audit, baseline, search, show and watch."""

import functools
import pathlib
from typing import Annotated

import typer

from competition.commands import options, output
from competition.core.experiment import layout

app = typer.Typer()


def _check_source(data: pathlib.Path, dataset: layout.DatasetFiles) -> None:
    """Refuse data that is not what was prepared; pass where only `work` was copied."""
    from competition import prepare

    if data.is_dir():
        prepare.check_source(data, dataset)


@app.command(**options.example("audit", options.PHANTOM))
def audit_data(
    data: options.Data,
    work: options.Work = layout.WORK,
    as_json: options.Json = False,
) -> None:
    """Describe prepared data, and list the annotations that look wrong."""
    from competition.study import audit

    dataset = layout.dataset(data, work)
    _check_source(data, dataset)
    output.result(audit.run(dataset), as_json)


@app.command(**options.example("baseline", f"kmeans {options.PHANTOM}"))
def score_baseline(
    method: Annotated[str, typer.Argument(help="kmeans, hierarchical, em or svm.")],
    data: options.Data,
    experiment: Annotated[
        str, typer.Option(help="The experiment whose folds and sizes to use.")
    ] = "smoke",
    work: options.Work = layout.WORK,
    as_json: options.Json = False,
) -> None:
    """Score a simple method, without a network, out of fold, to compare networks."""
    from competition.core.experiment import configs
    from competition.study import auto, baseline

    dataset = layout.dataset(data, work)
    _check_source(data, dataset)
    chosen = configs.load(auto.planned(experiment, dataset))
    result = baseline.run(dataset, method, experiment=chosen)
    output.result(result, as_json, lambda result: output.scores({method: result}))


@app.command(
    **options.example("plan", f"--experiment unet {options.PHANTOM} --budget 9h")
)
def plan_experiment(
    experiment: options.Experiment,
    data: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Default: as much data as the competition has.", **options.FOLDER
        ),
    ] = None,
    work: options.Work = layout.WORK,
    budget: Annotated[
        str | None,
        typer.Option(
            help="The time that training may take, such as 8h30m; `auto` is planned "
            "for it."
        ),
    ] = None,
    override: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Say how long an experiment takes on this machine, and what does not fit.

    For the experiment "auto" it first writes work/<dataset>/auto.toml: planned from the
    data, this device and the budget, with the reason for each line.
    """
    from competition import pipeline
    from competition.core import files
    from competition.core.experiment import runs
    from competition.study import auto, plan

    if experiment == auto.NAME:
        if not data:
            raise typer.BadParameter("auto is planned from data: give --data as well")
        experiment = pipeline.plan_auto(data, work=work, budget=budget)
    folds = None
    if data and files.exists((dataset := layout.dataset(data, work)).manifest):
        folds = runs.prepared(dataset)["folds"]
    result = plan.run(
        experiment,
        overrides=tuple(override or ()),
        data=data,
        budget=budget,
        folds=folds,
    )
    output.result(result, as_json, output.plan)


# `study.auto` calls this command in a process of its own.
@app.command(hidden=True, **options.example("plan-auto", "work/mydata --budget 4h"))
def write_plan(folder: pathlib.Path, budget: options.Budget = None) -> None:
    """Write auto.toml into the folder of prepared data."""
    from competition.study import auto

    auto.write_once(layout.DatasetFiles(folder), budget)


@app.command(
    **options.example("search", options.PHANTOM, "--experiment smoke --trials 8")
)
def search_values(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = layout.WORK,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Default: search.trials.")
    ] = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    cluster: options.Cluster = None,
    as_json: options.Json = False,
) -> None:
    """Search for better values of the keys in `search.space` of the experiment's TOML.

    It prunes a trial that is worse than the others at the same epoch. After a kill, or
    out of time, the next call goes on. best.toml is an experiment with the best values.
    """
    from competition import prepare, train
    from competition.cluster import opened
    from competition.machine import deadline
    from competition.study import auto, search

    limit = deadline.start(budget)
    dataset = layout.dataset(data, work)
    experiment = auto.planned(experiment, dataset)
    plan = search.load(experiment, tuple(override or ()))
    prepare.check_source(data, dataset)
    name = layout.run_name(experiment) if name is None else name
    with opened(cluster) as nodes:
        result = search.run(
            dataset, name, plan,
            train=functools.partial(train.watched, nodes=nodes),
            count=trials,
            limit=limit,
            at_once=nodes.at_once(plan.base.training.gpus) if nodes else 1,
        )  # fmt: skip
    output.result(result, as_json)


@app.command(
    **options.example("show", f"case61_day1 {options.PHANTOM}", "--experiment smoke")
)
def show_scan(
    scan: Annotated[str, typer.Argument(help="A scan, such as case61_day1.")],
    data: options.Data,
    experiment: options.OptionalExperiment = None,
    submission: Annotated[
        pathlib.Path | None,
        typer.Option(help="Show the masks of this CSV instead of a run's."),
    ] = None,
    work: options.Work = layout.WORK,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Default: SCAN.png, SCAN_attention.png or SCAN.html in show/, of the "
            "run or else of the data set in `work`."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--slices", min=1, help="How many slices.")] = 3,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Draw the attention maps of an Attention U-Net instead.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write a page that shows a scan, and a picture of the steps to its masks.

    The page has all slices with outlines of truth and prediction. Without an experiment
    it shows the annotations of the data, or the masks of a submission.
    """
    from competition.core.experiment import runs
    from competition.study import show

    if experiment and submission:
        raise typer.BadParameter("give --experiment or --submission, not both")
    if attention and not experiment:
        raise typer.BadParameter("--attention needs a run: give --experiment")
    dataset = layout.dataset(data, work)
    if not experiment:
        out = out or dataset.root / "show" / f"{scan}.html"
        result = show.folder(data, scan=scan, submission=submission, out=out)
        output.result(result, as_json)
        return
    _check_source(data, dataset)
    run = runs.read(dataset.run(layout.run_name(experiment)))
    draw = show.attention if attention else show.run
    output.result(draw(dataset, run, scan=scan, out=out, count=count), as_json)


@app.command(**options.example("watch", "work/competition/runs/smoke"))
def watch_run(
    run: options.WatchedRun = None,
    experiment: options.OptionalExperiment = None,
    data: options.RunData = None,
    work: options.Work = layout.WORK,
    once: Annotated[
        bool, typer.Option("--once", help="Show it once, as without a terminal.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show the progress of a run's folds while they train, and of its members' folds.

    It only reads files: call it from another terminal, or on another machine that
    mounts the folder.
    """
    from competition.study import watch

    if run and (experiment or data):
        raise typer.BadParameter("give either the folder of a run or --experiment")
    if data and not experiment:
        raise typer.BadParameter("--data goes with --experiment")
    if experiment:
        name = layout.run_name(experiment)
        run = layout.find(name, work, data).run(name).root
    run = run or watch.newest(work)
    if as_json:
        output.result(watch.now(run), as_json)
    else:
        watch.run(run, once=once)
