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
        # A shell leaves the ~ of --data=~/uw as it is.
        return storage.path(os.path.expanduser(text))
    except ValueError as error:
        # The message of a ValueError would be the text, with the secrets in it.
        raise typer.BadParameter(str(error)) from None


def run_folder(text: str | Path) -> Path:
    """Read the folder of a run, whose name `.` lacks. Links stay: runs may be links."""
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
# For commands that find the data set in the work folder, where one has such a run.
RunData = Annotated[
    Path | None,
    typer.Option(help="The data set, where several have such a run.", **FOLDER),
]
Experiment = Annotated[str, typer.Option(help="A name or the path of a .toml file.")]
ExperimentOrRun = Annotated[
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
    Path, typer.Option(help="Where files are kept, also as a URI.", **FOLDER)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config, also of a blend's members, or with "
        "MEMBER:KEY=VALUE of one of them.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name the run otherwise.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
Fold = Annotated[
    Any,
    typer.Option(
        help="Only this fold: a number, or all.",
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
        help="Train one network with other hosts: where host 0 is reached, or auto "
        "on a TPU slice or under SLURM.",
    ),
]
Hosts = Annotated[
    int | None, typer.Option(help="With --coordinator: how many hosts share it.")
]
Host = Annotated[
    int | None, typer.Option(help="With --coordinator: which of them this is, from 0.")
]
Submission = Annotated[Path, typer.Option(help="The file.")]
Truth = Annotated[
    Path | None, typer.Option(help="The test's solution, where it is known.")
]
Folds = Annotated[
    int | None, typer.Option(help="How many folds. Default: as before, first 5.")
]
FoldSeed = Annotated[
    int | None,
    typer.Option(help="Which split. Default: as before, first 0."),
]
FoldFile = Annotated[Path | None, typer.Option(help="A CSV with columns case, fold.")]
Faulty = Annotated[
    str | None,
    typer.Option(
        help="Scans to leave out: none, uwm, host, a file with one scan a line, or "
        "auto: uwm for the UW-Madison set, else none. Default: as before, first auto.",
    ),
]
Quarantine = Annotated[
    bool | None,
    typer.Option(
        "--quarantine/--no-quarantine",
        help="Set scans with problems aside, and go on. Default: as before, first no.",
    ),
]
Submissions = Annotated[Path, typer.Option(help="Where the ledger is kept.")]
SUBMISSIONS = Path("submissions")
# The files of the examples, which `phantom` and `run` make.
PHANTOM = "--data work/phantom/competition"
SOLUTION = "--truth work/phantom/solution.csv"
SUBMITTED = "--submission work/competition/runs/smoke/submission.csv"


class Command(core.TyperCommand):
    """A command whose help ends with its epilog as it stands, to be copied.

    The folders that mirror a storage are as it has them when the command begins.
    """

    def invoke(self, ctx: Any) -> Any:
        """Refresh the mirrors, and call the command."""
        for name, value in ctx.params.items():
            if isinstance(value, Path):
                # Of another option a URI is an error.
                storage.path(value)
                storage.refresh(layout.dataset_of(value) if name == "run" else value)
        return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and the epilog after it."""
        # Typer fills up the lines of an epilog with blanks, and a backslash before a
        # blank does not continue a line.
        epilog, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)
        self.epilog = epilog
        formatter.write(epilog or "")


def example(name: str, *parts: str) -> dict[str, Any]:
    """Return arguments of `command`: its name, and a call of it, a line for each part.

    The name of a group's command stands behind that of its group.
    """
    call = f"python -m competition {name} " + " \\\n  ".join(parts)
    return {"name": name.split()[-1], "cls": Command, "epilog": f"Example:\n{call}\n"}
