"""Options that several commands share."""

import pathlib
from typing import Annotated, Any

import typer
from typer import core

Path = pathlib.Path

Data = Annotated[Path, typer.Option("--data", help="The unpacked competition folder.")]
Experiment = Annotated[
    str, typer.Option("--experiment", help="A name or the path of a .toml file.")
]
# Where the folder of a run can be given instead of an experiment.
DataOfExperiment = Annotated[
    Path | None, typer.Option("--data", help="The unpacked competition folder.")
]
ExperimentOrRun = Annotated[
    str | None, typer.Option("--experiment", help="The run of this experiment.")
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="Or the folder of a run.")
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
Fold = Annotated[int | None, typer.Option("--fold", help="Only this fold.")]
Budget = Annotated[
    str | None, typer.Option("--budget", help="When to stop, such as 8h30m.")
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
# The data of the examples, which `phantom` makes.
PHANTOM = "--data work/phantom/competition"
Submissions = Annotated[
    Path, typer.Option("--submissions", help="Where the ledger is kept.")
]
SUBMISSIONS = Path("submissions")


class Command(core.TyperCommand):
    """A command whose help ends with its epilog as it stands, to be copied."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and the epilog after it."""
        # Typer fills up the lines of an epilog with blanks, and a backslash before a
        # blank does not continue a line.
        epilog, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)
        self.epilog = epilog
        formatter.write(epilog or "")


def example(*parts: str) -> dict[str, Any]:
    """Return arguments of `command` for an example of a call, each part on a line."""
    call = " \\\n  ".join(parts)
    return {"cls": Command, "epilog": f"Example:\npython -m competition {call}\n"}
