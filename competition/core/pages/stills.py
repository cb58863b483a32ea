"""Draw the contents of a run's page as PNG files, for machines without a browser."""

import pathlib
from collections.abc import Sequence
from typing import Any, Literal

from competition.core import files, scores
from competition.core.experiment import history, layout, runs
from competition.core.pages import examples, pictures

INK, FAINT, ACCENT = "#1f2630", "#6b7280", "#f1f4f8"
PANELS: tuple[tuple[Literal["loss", "score"], str], ...] = (
    ("loss", "training loss"),
    ("score", "held-out score"),
)
# The columns of a score and their names, as in the tables of the README.
COLUMNS: dict[str, str] = {
    "score_per_class": "score",
    "score_merged": "score, merged",
    "dice": "Dice",
    "dice_with_empty": "Dice with empty",
    "iou": "IoU",
    "hausdorff_per_class": "Hausdorff",
    "hausdorff_merged": "Hausdorff, merged",
}
SETS = {"oof": "out of fold", "submission": "submission"}
NONE = "\N{EN DASH}"


def write(dataset: layout.DatasetFiles, run: runs.Run) -> list[pathlib.Path]:
    """Write all pictures of a run into its folder, and return their paths.

    A picture is left out if its data, such as the score, is missing.
    """
    with runs.held(run, doing="drawing", dataset=dataset):
        drawn = draw(run)
        scored = scores.read(run.files.score) if "scores" in drawn else {}
        scans = examples.scans(scored["oof"]) if scored else []
        if scans and files.exists(run.files.decision):
            words = examples.words(scored["oof"])
            drawn["scans"] = pictures.contact_sheet(dataset, run, scans, words=words)
        paths = []
        for name, png in drawn.items():
            paths.append(run.files.pictures / f"{name}.png")
            files.write_bytes(paths[-1], png)
    return paths


def draw(run: runs.Run) -> dict[str, bytes]:
    """Draw what needs only the run's folder: the "curves" and the "scores", by name."""
    drawn = {}
    if curves := _curves(run):
        drawn["curves"] = curves
    if files.exists(run.files.score):
        drawn["scores"] = _table(scores.read(run.files.score), run.classes)
    return drawn


def _curves(run: runs.Run) -> bytes | None:
    """Draw loss and score of all folds, one row a member; None before any epoch."""
    from matplotlib import figure

    rows = {}
    for member in runs.members_and_gates(run):
        folds = member.config.folds
        read = {fold: history.read(member.files.history(fold)) for fold in folds}
        if any(read.values()):
            rows[member.name] = read
    if not rows:
        return None
    picture = figure.Figure(
        (9.2, 2.9 * len(rows)), layout="constrained", facecolor="white"
    )
    grid = picture.subplots(len(rows), len(PANELS), squeeze=False)
    for panels, (name, read) in zip(grid, rows.items(), strict=True):
        for axes, (column, title) in zip(panels, PANELS, strict=True):
            points = {k: history.points(epochs, column) for k, epochs in read.items()}
            lines = {f"fold {k}": values for k, values in points.items() if values}
            pictures.draw_curves(axes, lines, xlabel="epoch", ink=FAINT)
            whose = f"{name}: {title}" if len(rows) > 1 else title
            axes.set_title(whose, color=INK, fontsize=10, loc="left", parse_math=False)
    return pictures.png(picture, dpi=120)


def _table(scored: dict[str, scores.Scores], classes: Sequence[str]) -> bytes:
    """Draw the scores as a table: a row for each set and class."""
    from matplotlib import figure

    rows: list[tuple[str, str, str, Any]] = []
    for name, result in scored.items():
        rows.append((SETS[name], "all classes", INK, result))
        for index, class_name in enumerate(classes):
            if class_name in result["by_class"]:
                colour = pictures.class_colour(index)
                rows.append(("", class_name, colour, result["by_class"][class_name]))
    names = [len(class_name) for _, class_name, _, _ in rows]
    widths = [1.25, 0.08 * max(names) + 0.3]
    widths += [max(0.8, 0.075 * len(each) + 0.25) for each in COLUMNS.values()]
    step, width = 0.28, sum(widths) + 0.3
    height = step * (len(rows) + 1) + 0.3
    picture = figure.Figure((width, height), facecolor="white")
    axes = picture.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")

    def cell(row: int, column: int, said: str, **style: Any) -> None:
        is_number = column > 1
        place = 0.15 + sum(widths[: column + is_number]) - 0.08 * is_number
        side = "right" if is_number else "left"
        y = 0.15 + step * (row + 0.5)
        text = axes.text(place, y, said, ha=side, va="center", fontsize=9)
        text.set(parse_math=False, **{"color": INK, **style})

    for column, title in enumerate(COLUMNS.values(), 2):
        cell(0, column, title, color=FAINT)
    for row, (whose, class_name, colour, values) in enumerate(rows, 1):
        if whose:
            top = 0.15 + step * row
            axes.axhspan(top, top + step, color=ACCENT, linewidth=0)
        else:
            y = 0.15 + step * (row + 0.5)
            axes.plot(1.25 + 0.05, y, "o", color=colour, markersize=6)
        cell(row, 0, whose, weight="bold")
        cell(row, 1, class_name if whose else f"   {class_name}")
        for column, key in enumerate(COLUMNS, 2):
            value = values.get(key)
            cell(row, column, NONE if value is None else f"{value:.4f}")
    return pictures.png(picture, dpi=130)
