"""The pictures of a kernel's notebook: those of its trained runs, and test slices."""

import pathlib
from typing import Any

import numpy as np

from competition.core import files, rle
from competition.core.data import images, mask_csv, png
from competition.core.experiment import layout, runs
from competition.core.pages import pictures, stills
from competition.kernel import session


def show(input_root: pathlib.Path, working: pathlib.Path) -> list[Any]:
    """Return pictures for `IPython.display`.

    They are curves, scores and held-out slices of each run that was trained, under its
    name, and up to 3 test slices that have masks, if there is a submission.
    """
    from IPython import display

    shown: list[Any] = []
    for root in sorted(path.parent for path in working.glob("runs/*/config.json")):
        if drawn := of_run(root):
            shown.append(display.Markdown(f"## {root.name}"))
            shown += [display.Image(data=png) for png in drawn]
    path = working / "submission.csv"
    if path.is_file():
        data = session.competition(input_root, "sample_submission.csv")
        shown += [display.Image(data=png) for png in draw(data, path)]
    return shown


def of_run(root: pathlib.Path) -> list[bytes]:
    """Draw the curves and scores of a run, also of one that ran out of time.

    The slices are those that the report drew, since the data is not kept.
    """
    run = runs.read(layout.RunFiles(root))
    drawn = list(stills.draw(run).values())
    slices = run.files.pictures / "scans.png"
    return [*drawn, files.read_bytes(slices)] if slices.is_file() else drawn


def draw(data: pathlib.Path, path: pathlib.Path) -> list[bytes]:
    """Draw as PNG up to 3 slices that have masks, spread evenly among all of these."""
    by_id: dict[str, list[mask_csv.Row]] = {}
    for row in mask_csv.read(path, "predicted"):
        by_id.setdefault(row.id, []).append(row)
    has_mask = {id for id, rows in by_id.items() if any(row.rle for row in rows)}
    slices = {each.id: each for each in images.find(data, "test")}
    filled = [slices[id] for id in by_id if id in slices and id in has_mask]
    chosen = pictures.spread(np.ones(len(filled), bool), 3) if filled else []
    return [_draw(data, filled[index], by_id[filled[index].id]) for index in chosen]


def _draw(data: pathlib.Path, image: images.Image, rows: list[mask_csv.Row]) -> bytes:
    from matplotlib import figure

    grey = png.read(data / image.path, image.shape)
    picture = figure.Figure((4, 4 * image.shape[0] / image.shape[1]))
    axes = picture.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.imshow(grey, "gray", vmin=0, vmax=np.percentile(grey, 99.5) or 1)
    # In the order that gives a class its colour in the report.
    in_order = sorted(rows, key=lambda row: row.class_name)
    for index, row in enumerate(in_order):
        mask = rle.decode(row.rle, image.shape).astype(float)
        if mask.any():
            axes.contour(mask, levels=[0.5], colors=[pictures.class_colour(index)])
    axes.text(4, 12, image.id, color="white", fontsize=8)
    return pictures.png(picture, dpi=110)
