"""Commands to study data and experiments: audit, baseline, search and show."""

import pathlib
from typing import Annotated

import typer

from competition.commands import options, output

app = typer.Typer()


@app.command(**options.example(f"audit {options.PHANTOM}"))
def audit(
    data: options.Data, work: options.Work = options.WORK, as_json: options.Json = False
) -> None:
    """Describe prepared data, and list the annotations that look wrong."""
    from competition.core.experiment import layout
    from competition.study import audit as study

    output.result(study.run(layout.dataset(data, work)), as_json)


@app.command(**options.example(f"baseline kmeans {options.PHANTOM}"))
def baseline(
    method: Annotated[str, typer.Argument(help="kmeans, hierarchical, em or svm.")],
    data: options.Data,
    experiment: Annotated[
        str,
        typer.Option(
            "--experiment", help="The experiment whose folds and sizes count."
        ),
    ] = "smoke",
    work: options.Work = options.WORK,
    as_json: options.Json = False,
) -> None:
    """Score a method without a network out of fold, to compare networks with."""
    from competition.core.experiment import configs, layout
    from competition.study import baseline as study

    dataset = layout.dataset(data, work)
    result = study.run(dataset, method, experiment=configs.load(experiment))
    output.result(result, as_json, lambda result: output.scores({method: result}))


@app.command(
    **options.example(f"search {options.PHANTOM}", "--experiment smoke --trials 8")
)
def search(
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Default: search.trials.")
    ] = None,
    budget: options.Budget = None,
    override: options.Set = None,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Search better values for the keys under `search.space` in the experiment's TOML.

    A trial that is worse than the others at the same epoch is pruned. After a kill, or
    out of time, the next call goes on. The best values are in best.toml, an experiment.
    """
    from competition import pipeline

    result = pipeline.search(
        experiment,
        data=data,
        work=work,
        overrides=tuple(override or ()),
        name=name,
        trials=trials,
        budget=budget,
    )
    output.result(result, as_json)


@app.command(
    "show",
    **options.example(f"show case61_day1 {options.PHANTOM}", "--experiment smoke"),
)
def show_scan(
    scan: Annotated[str, typer.Argument(help="A training scan, such as case61_day1.")],
    data: options.Data,
    experiment: options.Experiment,
    work: options.Work = options.WORK,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--out", help="Default: show/SCAN.png or SCAN_gates.png in the run."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--slices", min=1, help="How many slices.")] = 3,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates",
            help="Draw what the gates of an Attention U-Net let through, instead.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Draw slices of a scan: input, probabilities, each part of the rule, masks."""
    from competition.core.experiment import layout, runs
    from competition.study import show as study

    dataset = layout.dataset(data, work)
    run = runs.read(layout.run_of(dataset, experiment))
    draw = study.gates if gates else study.run
    result = draw(dataset, run, scan=scan, out=out, count=count)
    output.result(result, as_json)
