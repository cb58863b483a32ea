"""Commands that build, rehearse, push and submit a Kaggle kernel."""

import pathlib
from typing import Annotated

import typer

from competition.commands import options, output
from competition.core.experiment import layout
from competition.kernel import bundles

app = typer.Typer(
    no_args_is_help=True,
    help="Build a Kaggle kernel of a run, rehearse, push and submit it.",
    epilog="Example:\npython -m competition kernel push --experiment smoke",
)

File = pathlib.Path | None
What = Annotated[
    bundles.What, typer.Option(help="The kernel that trains or the one that submits.")
]


@app.command(**options.example("kernel build", "--experiment smoke --user yourname"))
def kernel_build(
    experiment: options.Experiment,
    user: Annotated[str, typer.Option(help="Your user name on Kaggle.")],
    what: What = "submit",
    data: options.RunData = None,
    work: options.Work = layout.WORK,
    name: options.Name = None,
    override: options.Set = None,
    fold: options.Fold = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="When to stop, such as 8h30m. Default: 11h30m to train, 8h30m to "
            "submit or on a TPU."
        ),
    ] = None,
    earlier: Annotated[
        list[str] | None,
        typer.Option("--from", help="A kernel (user/slug) to go on training from."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Weights of an encoder: a file, a preset's folder, or a dataset "
            "(owner/slug) or model of Kaggle. MEMBER:WEIGHTS is for one member.",
        ),
    ] = None,
    notebook: Annotated[
        bool,
        typer.Option(
            "--notebook",
            help="Build a notebook, with pictures, instead of a script.",
        ),
    ] = False,
    machine: Annotated[
        str, typer.Option(help="Kaggle's machine_shape; TpuV5E8 is a TPU.")
    ] = "NvidiaTeslaT4",
    as_json: options.Json = False,
) -> None:
    """Write the dataset and the kernel that Kaggle gets."""
    from competition.kernel import build

    bundle = bundles.find(experiment, what, work=work, data=data, name=name)
    given = build.BundleOptions(
        fold=fold, budget=budget, overrides=tuple(override or ()),
        sources=tuple(earlier or ()), weights=tuple(weights or ()),
        as_notebook=notebook, machine=machine,
    )  # fmt: skip
    output.result(build.run(bundle, user=user, options=given), as_json)


@app.command(
    **options.example(
        "kernel rehearse", options.PHANTOM, f"--experiment smoke {options.SOLUTION}"
    ),
)
def kernel_rehearse(
    experiment: options.Experiment,
    what: What = "submit",
    data: Annotated[File, typer.Option(help="Default: a new phantom.")] = None,
    truth: options.Truth = None,
    of: options.RunData = None,
    work: options.Work = layout.WORK,
    name: options.Name = None,
    python: Annotated[
        File, typer.Option(help="The Python of an environment to use.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Time limit. Default: Kaggle's.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HANDLE=FOLDER",
            help="A folder to use in place of a dataset or model of Kaggle.",
        ),
    ] = None,
    memory_gb: Annotated[float, typer.Option(help="Memory limit.")] = 30.0,
    as_json: options.Json = False,
) -> None:
    """Run the built kernel as Kaggle would, twice, and judge what it writes."""
    from competition.kernel import rehearse

    bundle = bundles.find(experiment, what, work=work, data=of, name=name)
    result = rehearse.run(
        bundle,
        data=data,
        truth=truth,
        python=python,
        weights=dict(map(_handle, weights or ())),
        limits=rehearse.Limits(hours or rehearse.hours(bundle), memory_gb),
    )
    output.result(result, as_json, output.rehearsals)
    if not result["ok"]:
        raise typer.Exit(1)


def _handle(text: str) -> tuple[str, pathlib.Path]:
    handle, _, folder = text.partition("=")
    if not pathlib.Path(folder).is_dir() or not folder:
        raise ValueError(
            f"`--weights` expects HANDLE=FOLDER, a folder with what the dataset or "
            f"model of Kaggle holds. Received: {text}."
        )
    return handle, pathlib.Path(folder)


@app.command(**options.example("kernel push", "--experiment smoke"))
def kernel_push(
    experiment: options.Experiment,
    what: What = "submit",
    data: options.RunData = None,
    work: options.Work = layout.WORK,
    name: options.Name = None,
    as_json: options.Json = False,
) -> None:
    """Send the built dataset and kernel, follow the kernel, fetch its output."""
    from competition.kernel.upload import push

    bundle = bundles.find(experiment, what, work=work, data=data, name=name)
    output.result(push.run(bundle), as_json)


@app.command(**options.example("kernel submit", "--experiment smoke"))
def kernel_submit(
    experiment: options.Experiment,
    data: options.RunData = None,
    work: options.Work = layout.WORK,
    name: options.Name = None,
    wait: Annotated[bool, typer.Option(help="Wait for the score.")] = True,
    submissions: options.Submissions = options.SUBMISSIONS,
    as_json: options.Json = False,
) -> None:
    """Submit the pushed version, and enter its score into the ledger."""
    from competition import ledger
    from competition.core.experiment import runs
    from competition.kernel.upload import leaderboard

    bundle = bundles.find(experiment, work=work, data=data, name=name)
    added = ledger.check_added(runs.read(bundle.run), submissions) if wait else None
    result = leaderboard.run(bundle, wait=wait)
    scores = {board: result[board] for board in ("public", "private")}
    if any(score is not None for score in scores.values()):
        ledger.set_scores(
            bundle.name, submissions=submissions, submission=added, **scores
        )
    reached = {"reaches": ledger.reaches(scores["private"])}
    output.result(result | reached, as_json)
