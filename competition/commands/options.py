"""Options that several commands share, and the examples that end their help."""

import os
import pathlib
from typing import Annotated, Any

import typer
from typer import core

from competition.core import storage
from competition.core.experiment import layout

Path = pathlib.Path


def folder(text: str | Path) -> Path:
    """Read a path or a URI; a URI becomes the folder that mirrors it."""
    try:
        # A shell does not expand the ~ in --data=~/uw.
        return storage.path(os.path.expanduser(text))
    except ValueError as error:
        # Click would replace a ValueError's message by `text`, which may hold secrets.
        raise typer.BadParameter(str(error)) from None


def run_folder(text: str | Path) -> Path:
    """Read a run's folder as an absolute path, so that `.` has a name too.

    Links are not resolved, since a run's folder may be a link.
    """
    return folder(text).absolute()


FOLDER: dict[str, Any] = {"parser": folder, "metavar": "DIR|URI"}
RUN_FOLDER: dict[str, Any] = {"parser": run_folder, "metavar": "DIR|URI"}
_DATA = typer.Option(
    "--data", help="The unpacked competition folder, or its URI (s3://, gs://).",
    **FOLDER,
)  # fmt: skip
Data = Annotated[Path, _DATA]
# For commands that take a run's folder instead of an experiment and its data.
OptionalData = Annotated[Path | None, _DATA]
# For commands that find the data set in the work folder, if only one has such a run.
RunData = Annotated[
    Path | None,
    typer.Option(help="The data set, if `work` holds several.", **FOLDER),
]
Experiment = Annotated[str, typer.Option(help="A name or the path of a .toml file.")]
OptionalExperiment = Annotated[
    str | None, typer.Option(help="The run of this experiment.")
]
RunFolder = Annotated[
    Path | None, typer.Option(help="Or the folder of a run.", **RUN_FOLDER)
]
WatchedRun = Annotated[
    Path | None,
    typer.Argument(
        help="The folder of a run. Default: the one written to last.", **RUN_FOLDER
    ),
]
Work = Annotated[
    Path, typer.Option(help="The folder or URI where files are kept.", **FOLDER)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config, in all members of a blend too. "
        "MEMBER:KEY=VALUE overrides it in one member.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Another name for the run.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
Fold = Annotated[
    Any,
    typer.Option(
        help='Train only this fold: its number, or "all" for the fold that trains on '
        "every case.",
        metavar="FOLD",
        parser=layout.parse_fold,
    ),
]
Budget = Annotated[str | None, typer.Option(help="When to stop, such as 8h30m.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Use the machines of a Ray cluster: local, auto, HOST:PORT of its head, "
        "or ray://HOST:PORT.",
    ),
]
Coordinator = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Train one network with other hosts: the address of host 0, or auto "
        "on a TPU slice or under SLURM.",
    ),
]
Hosts = Annotated[
    int | None, typer.Option(help="With --coordinator: how many hosts there are.")
]
Host = Annotated[
    int | None, typer.Option(help="With --coordinator: this host's number, from 0.")
]
Submission = Annotated[Path, typer.Option(help="The file.")]
Truth = Annotated[
    Path | None, typer.Option(help="The test's solution, if you have it.")
]
Folds = Annotated[
    int | None,
    typer.Option(
        help="How many folds. Default: that of the last call; 5 in the first."
    ),
]
FoldSeed = Annotated[
    int | None,
    typer.Option(
        help="Seed of the split. Default: that of the last call; 0 in the first."
    ),
]
FoldFile = Annotated[Path | None, typer.Option(help="A CSV with columns case, fold.")]
Faulty = Annotated[
    str | None,
    typer.Option(
        help="Scans to leave out: none, uwm, host, a file with one scan a line, or "
        "auto: uwm for the UW-Madison set, else none. Default: that of the last call; "
        "auto in the first.",
    ),
]
Quarantine = Annotated[
    bool | None,
    typer.Option(
        "--quarantine/--no-quarantine",
        help="Leave out scans with problems, and go on. Default: that of the last "
        "call; no in the first.",
    ),
]
Submissions = Annotated[Path, typer.Option(help="The folder of the ledger.")]
SUBMISSIONS = Path("submissions")
# The files of the examples, which `phantom` and `run` make.
PHANTOM = "--data work/phantom/competition"
SOLUTION = "--truth work/phantom/solution.csv"
SUBMITTED = "--submission work/competition/runs/smoke/submission.csv"


class Command(core.TyperCommand):
    """A command that prints its epilog unchanged below its help, so that it is copied.

    Before it runs, it brings the folders that mirror a storage up to date.
    """

    def invoke(self, ctx: Any) -> Any:
        """Refresh the mirrors, and call the command."""
        for name, value in ctx.params.items():
            if isinstance(value, Path):
                # This raises an error for a URI in an option that takes none.
                storage.path(value)
                storage.refresh(layout.dataset_of(value) if name == "run" else value)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and the epilog after it."""
        # Typer pads the lines of an epilog with spaces, and a backslash before a space
        # does not continue a line.
        epilog, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)
        self.epilog = epilog
        formatter.write(epilog or "")


def example(name: str, *parts: str) -> dict[str, Any]:
    """Return arguments of `app.command`: its name, and an example of a call.

    Each of `parts` is a line of the example. For a command of a group, `name` has both
    names, such as "kernel build".
    """
    call = f"python -m competition {name} " + " \\\n  ".join(parts)
    return {"name": name.split()[-1], "cls": Command, "epilog": f"Example:\n{call}\n"}
