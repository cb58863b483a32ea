"""The command line: the only place that reads arguments and prints results."""

import json
import pathlib
import sys
from typing import Annotated, Any

import typer
from rich import table
from rich.console import Console

from competition.core import console

Path = pathlib.Path

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

Data = Annotated[Path, typer.Option("--data", help="The unpacked competition folder.")]
Experiment = Annotated[
    str, typer.Option("--experiment", help="A name or the path of a .toml file.")
]
Work = Annotated[Path, typer.Option("--work", help="Where files are kept.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the config."),
]
Name = Annotated[str | None, typer.Option("--name", help="Name the run otherwise.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
Truth = Annotated[
    Path | None, typer.Option("--truth", help="The test's solution, where it is known.")
]
Folds = Annotated[int, typer.Option("--folds", help="How many folds.")]
FoldSeed = Annotated[int, typer.Option("--fold-seed", help="Which split of the cases.")]
FoldFile = Annotated[
    Path | None, typer.Option("--fold-file", help="A CSV with columns case, fold.")
]
Faulty = Annotated[
    str | None,
    typer.Option(
        "--faulty",
        help="Scans to leave out: none, uwm, host or a file with one scan a line. "
        "Default: uwm for the UW-Madison set, else none.",
    ),
]
Quarantine = Annotated[
    bool, typer.Option("--quarantine", help="Set scans with problems aside, go on.")
]
WORK = Path("work")


@app.callback()
def _about() -> None:
    """From a competition folder to a scored submission."""


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    cases: Annotated[int, typer.Option(help="How many cases.")] = 10,
    days: Annotated[int, typer.Option(help="Scans of a case, at most.")] = 3,
    slices: Annotated[int | None, typer.Option(help="Slices of a scan.")] = None,
    small: Annotated[bool, typer.Option("--small", help="8 cases, 24 slices.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="As Kaggle shows it: without the test.")
    ] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Plant wrong masks; see OUT/faults.csv.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed, other anatomy.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a synthetic competition: OUT/competition and OUT/solution.csv."""
    from competition.sources import phantom as source

    made = source.write(
        out,
        cases=cases,
        days=days,
        slices=slices,
        small=small,
        public=public,
        faults=faults,
        seed=seed,
    )
    _print(made, as_json)


@app.command()
def convert(
    out: Annotated[Path, typer.Option("--out", help="The folder to make.")],
    images: Annotated[
        Path | None, typer.Option("--images", help="NIfTI files or DICOM series.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Label volumes of the same names.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Volumes without labels.")
    ] = None,
    axis: Annotated[
        str, typer.Option("--axis", help="x, y or z: slices lie across it.")
    ] = "z",
    restore: Annotated[
        Path | None,
        typer.Option("--restore", help="Turn these masks back into label volumes."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="With --restore: what was converted.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a competition folder of medical volumes, or label volumes of masks."""
    if images and labels and not (restore or data):
        from competition.sources import convert as source

        made = source.write(images, labels, out=out, test=test, axis=axis)
    elif restore and data and not (images or labels or test):
        from competition.sources import restore as target

        made = target.write(restore, data=data, out=out)
    else:
        raise typer.BadParameter(
            "give --images and --labels, or --restore and --data, not both"
        )
    _print(made, as_json)


@app.command()
def prepare(
    data: Data,
    work: Work = WORK,
    folds: Folds = 5,
    fold_seed: FoldSeed = 0,
    fold_file: FoldFile = None,
    faulty: Faulty = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Re-check the checksum of every file.")
    ] = False,
    quarantine: Quarantine = False,
    as_json: Json = False,
) -> None:
    """Decode annotations and slices into arrays, and split the cases into folds."""
    from competition import pipeline
    from competition import prepare as step

    options = step.Options(folds, fold_seed, fold_file, faulty, verify, quarantine)
    manifest = pipeline.prepare(data, work=work, options=options)
    if as_json:
        _print(manifest, as_json)
        return
    _print_folds(manifest["fold_table"])
    shown = ("cases", "scans", "slices", "faulty", "quarantined", "gaps")
    _print({key: manifest[key] for key in shown}, as_json)


@app.command()
def train(
    data: Data,
    experiment: Experiment,
    work: Work = WORK,
    fold: Annotated[int | None, typer.Option(help="Only this fold.")] = None,
    override: Set = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Train the experiment's folds; a killed training goes on where it was."""
    from competition import train as step

    job = _job(data, experiment, work, override, name)
    _print(step.run(job.dataset, job.run, fold=fold), as_json)


def _add_step(step: str, about: str) -> None:
    """Add the command of a step that takes nothing but a run."""

    @app.command(step, help=about)
    def take(
        data: Data,
        experiment: Experiment,
        work: Work = WORK,
        override: Set = None,
        name: Name = None,
        as_json: Json = False,
    ) -> None:
        from competition import pipeline

        job = _job(data, experiment, work, override, name)
        _print(pipeline.STEPS[step](job), as_json)


_add_step("predict", "Predict every training scan by the fold that held it out.")
_add_step("decide", "Find the rule that turns probabilities into masks.")
_add_step("report", "Write the page about a run.")


@app.command()
def submit(
    data: Data,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="The run of this experiment.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Or the folder of a run.")
    ] = None,
    work: Work = WORK,
    out: Annotated[
        Path | None, typer.Option("--out", help="Default: submission.csv in the run.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write submission.csv for the test folder."""
    from competition import pipeline
    from competition.core import config, layout

    if (experiment is None) == (run is None):
        raise typer.BadParameter("give either --experiment or --run")
    name = config.find(experiment).stem if experiment else ""
    folder = run or layout.dataset(data, work).run(name).root
    _print(pipeline.submit(folder, data=data, out=out), as_json)


@app.command()
def validate(
    data: Data,
    submission: Annotated[Path, typer.Option("--submission", help="The file.")],
    as_json: Json = False,
) -> None:
    """Say whether Kaggle would accept a submission."""
    from competition import validate as step

    result = step.run(submission, data=data)
    _print(result, as_json)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def score(
    data: Data,
    truth: Annotated[Path, typer.Option("--truth", help="train.csv or a solution.")],
    submission: Annotated[Path, typer.Option("--submission", help="The file.")],
    as_json: Json = False,
) -> None:
    """Compute the competition's score of a submission."""
    from competition import score as step

    result = step.run(truth, submission, data=data)
    if as_json:
        _print(result, as_json)
    else:
        _print_scores({"submission": result})


@app.command()
def run(
    data: Data,
    experiment: Experiment,
    work: Work = WORK,
    truth: Truth = None,
    folds: Folds = 5,
    fold_seed: FoldSeed = 0,
    fold_file: FoldFile = None,
    faulty: Faulty = None,
    quarantine: Quarantine = False,
    override: Set = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Take every step, prepare to report, going on where it stopped."""
    from competition import pipeline
    from competition import prepare as step

    results = pipeline.run(
        experiment,
        data=data,
        work=work,
        options=step.Options(
            folds, fold_seed, fold_file, faulty, quarantine=quarantine
        ),
        overrides=tuple(override or ()),
        name=name,
        truth=truth,
    )
    if as_json:
        _print(results, as_json)
        return
    _print_scores({k: v for k, v in results["score"].items() if v})
    _print({**results["submit"], **results["report"]}, as_json)


@app.command()
def audit(data: Data, work: Work = WORK, as_json: Json = False) -> None:
    """Describe prepared data, and list the annotations that look wrong."""
    from competition.core import layout
    from competition.study import audit as study

    _print(study.run(layout.dataset(data, work)), as_json)


def _job(
    data: Path,
    experiment: str,
    work: Path,
    override: list[str] | None,
    name: str | None,
) -> Any:
    from competition import pipeline

    return pipeline.open_job(
        experiment, data=data, work=work, overrides=tuple(override or ()), name=name
    )


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, allow_nan=False))
        return
    for key, value in result.items():
        print(f"{key}: {value}")


def _print_folds(rows: list[dict[str, Any]]) -> None:
    """One row a fold: what it holds out, voxels by class."""
    shown = table.Table(*rows[0], title="what each fold holds out (classes in voxels)")
    for row in rows:
        shown.add_row(*(f"{value:,}" for value in row.values()))
    Console(width=110).print(shown)


def _print_scores(scores: dict[str, Any]) -> None:
    """One table: a row a set and class, a column a number."""
    columns = ["score_per_class", "score_merged", "dice", "hausdorff_per_class"]
    shown = table.Table(*["", "class", *columns, "hausdorff_merged"])
    for name, result in scores.items():
        for class_name, values in {"all": result, **result["by_class"]}.items():
            numbers = [values[key] for key in [*columns, "hausdorff_merged"]]
            cells = ["-" if n is None else f"{n:.4f}" for n in numbers]
            shown.add_row(name if class_name == "all" else "", class_name, *cells)
    Console(width=110).print(shown)


def main() -> None:
    """Run a command; a fault is a message and exit code 1, never a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        console.note(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
