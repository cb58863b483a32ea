"""Commands that make a competition folder: phantom and convert."""

import pathlib
from typing import Annotated

import typer

from competition.commands import options, output

app = typer.Typer()

File = pathlib.Path | None


@app.command(**options.example("phantom", "work/phantom --small"))
def make_phantom(
    out: Annotated[pathlib.Path, typer.Argument(help="The folder to make.")],
    cases: Annotated[int, typer.Option(help="How many cases.")] = 10,
    days: Annotated[int, typer.Option(help="Most scans of a case.")] = 3,
    slices: Annotated[int | None, typer.Option(help="Slices of a scan.")] = None,
    small: Annotated[bool, typer.Option("--small", help="8 cases, 24 slices.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="As Kaggle shows it: without the test.")
    ] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Plant wrong masks; see OUT/faults.csv.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the anatomy.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Make a synthetic competition: OUT/competition and OUT/solution.csv."""
    from competition.sources import phantom

    summary = phantom.write(
        out, cases=cases, days=days, slices=slices, small=small, public=public,
        faults=faults, seed=seed,
    )  # fmt: skip
    output.result(summary, as_json)


@app.command(
    **options.example(
        "convert",
        "--images volumes --labels labels --test unlabelled",
        "--out work/mine",
    )
)
def convert_volumes(
    out: Annotated[pathlib.Path, typer.Option(help="The folder to make.")],
    images: Annotated[
        File, typer.Option(help="NIfTI, DICOM, PNG, JPEG, TIFF, GIF or BMP.")
    ] = None,
    labels: Annotated[
        File, typer.Option(help="Label volumes or masks of the same names.")
    ] = None,
    test: Annotated[
        File, typer.Option(help="Volumes or images without labels.")
    ] = None,
    axis: Annotated[
        str | None, typer.Option(help="x, y or z: slices lie across it. Default: z.")
    ] = None,
    table: Annotated[
        File,
        typer.Option(help="A CSV with columns file, case, day and, of images, slice."),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(help="Channel of colour images: red, green, blue; default: grey."),
    ] = None,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="CENTRE WIDTH",
            help="Keep these intensities; in CT, Hounsfield units such as 40 400.",
        ),
    ] = None,
    restore: Annotated[
        File, typer.Option(help="Turn these masks back into labels.")
    ] = None,
    data: Annotated[
        File,
        typer.Option(
            help="With --restore: the converted folder. With --images alone: the "
            "training folder, whose settings are used for images without labels."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Convert volumes or images to a competition folder, or masks back to labels."""
    from competition.sources import convert

    of_labels = test or table or axis or channel or window
    if images and labels and not (restore or data):
        summary = convert.write(
            images, labels, out=out, test=test, table=table, axis=axis,
            channel=channel, window=window,
        )  # fmt: skip
    elif images and data and not (labels or restore or of_labels):
        like = convert.settings(data, images, ())
        summary = convert.write_unlabelled(images, out=out, like=like)
    elif restore and data and not (images or labels or of_labels):
        summary = convert.restore(restore, data=data, out=out)
    else:
        raise typer.BadParameter(
            "give --images and --labels, or --images and --data, or --restore and "
            "--data; the other options go with --labels"
        )
    output.result(summary, as_json)
