"""Draw PNG pictures: slices with truth and prediction, and curves; class colours."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import blending, masks
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs

# These colours are bright enough for outlines on a grey slice, and colour-blind people
# can tell the first six apart. After the sixteenth they repeat.
CLASS_COLOURS = (
    "#ffb000", "#38bdf8", "#f472b6", "#a3e635", "#c4a1ff", "#ff7a59", "#2dd4bf",
    "#fef08a", "#818cf8", "#fb7185", "#4ade80", "#e879f9", "#fdba74", "#67e8f9",
    "#d6d3a8", "#93c5fd",
)  # fmt: skip
CURVE_COLOURS = ("#3987e5", "#d95926", "#199e70", "#9085e9", "#c98500", "#d55181")
SLICES = 3


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class SlicePicture:
    """A slice to draw: grey 0..1 (H, W), truth and prediction as mask bits (H, W).

    `aspect` is the height of a pixel divided by its width.
    """

    scan: str
    number: int
    grey: np.ndarray
    truth: masks.Bits
    predicted: masks.Bits
    aspect: float


def choose(
    dataset: layout.DatasetFiles, run: runs.Run, scan: str, *, count: int = SLICES
) -> list[SlicePicture]:
    """Choose up to `count` slices of a scan, evenly among those with any mask.

    If neither truth nor prediction has a mask, they are chosen among all slices.
    """
    store = arrays.Arrays(dataset)
    table = slice_table.read(dataset)
    rows = table[table["scan"] == scan].sort_values("index").reset_index(drop=True)
    truth = store.masks(scan)
    predicted = blending.decided(run, scan)
    chosen = spread((truth | predicted).any(axis=(1, 2)), count)
    windows = slice_table.windows(rows, run.config.intensity)
    return [
        SlicePicture(
            scan=scan,
            number=int(rows["slice"][index]),
            grey=grey(store.scan(scan)[index], windows[index]),
            truth=truth[index],
            predicted=predicted[index],
            aspect=float(rows["spacing_y_mm"][index] / rows["spacing_x_mm"][index]),
        )
        for index in chosen
    ]


def spread(filled: np.ndarray, count: int) -> list[int]:
    """Choose up to `count` indices evenly among those where `filled` (N,) is true.

    If it is true nowhere, they are chosen among all indices.
    """
    candidates = np.flatnonzero(filled) if filled.any() else np.arange(len(filled))
    places = np.linspace(0, len(candidates) - 1, count + 2)[1:-1].round().astype(int)
    return [int(index) for index in candidates[np.unique(places)]]


def grey(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Scale an image (H, W) to 0..1 between the (low, high) of its window."""
    low, high = window
    return np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)


def slice(shown: SlicePicture, classes: int) -> bytes:
    """Draw one slice alone, edge to edge."""
    from matplotlib import figure

    height, width = shown.grey.shape
    picture = figure.Figure((3.2, 3.2 * height / width * shown.aspect))
    draw(picture.add_axes((0, 0, 1, 1)), shown, classes)
    return png(picture, dpi=160)


def contact_sheet(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    scans: Sequence[str],
    *,
    count: int = SLICES,
    words: Mapping[str, str] | None = None,
) -> bytes:
    """Draw `count` slices of each scan, one row for each scan, with a legend.

    The word of a scan in `words`, such as "worst", is written before its name. A scan
    with fewer slices leaves the rest of its row black. Scans of one slice, such as
    photographs, share a row.
    """
    from matplotlib import figure

    rows = [choose(dataset, run, scan, count=count) for scan in scans]
    if max(map(len, rows)) == 1:
        rows = [[one for row in rows for one in row]]
    columns = max(count, *map(len, rows))
    height = 2.9 * len(rows) + 0.4
    picture = figure.Figure((2.8 * columns, height), facecolor="black")
    grid = picture.subplots(len(rows), columns, squeeze=False)
    for row, shown in zip(grid, rows, strict=True):
        for axes in row:
            axes.axis("off")
        for axes, one in zip(row, shown, strict=False):
            draw(axes, one, len(run.classes))
            word = (words or {}).get(one.scan)
            title = f"{word}: " if word else ""
            title += f"{one.scan}, slice {one.number}"
            axes.set_title(title, color="#d7dbe2", fontsize=9, pad=4)
    picture.subplots_adjust(
        0.01, 0.4 / height, 0.99, 1 - 0.25 / height, wspace=0.03, hspace=0.1
    )
    legend(picture, run.classes, ink="#d7dbe2", loc="lower center")
    return png(picture, dpi=130)


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, xlabel: str, ink: str
) -> bytes:
    """Draw named lines of (x, y) points, without a background, with text in `ink`."""
    from matplotlib import figure

    picture = figure.Figure((4.6, 2.8), layout="constrained", facecolor="none")
    axes = picture.subplots(subplot_kw={"facecolor": "none"})
    draw_curves(axes, lines, xlabel=xlabel, ink=ink)
    return png(picture, dpi=160)


def draw_curves(
    axes: Any,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    xlabel: str,
    ink: str,
) -> None:
    """Draw named lines of (x, y) points on Matplotlib's axes; `lines` may be empty."""
    from matplotlib import ticker

    for index, (name, points) in enumerate(lines.items()):
        colour = CURVE_COLOURS[index % len(CURVE_COLOURS)]
        (line,) = axes.plot(*np.array(points).T, color=colour, label=name)
        line.set(marker="o" if len(points) < 25 else "", linewidth=1.8, markersize=4)
    axes.set_xlabel(xlabel, color=ink)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.grid(axis="y", color=ink, alpha=0.2, linewidth=0.8)
    axes.tick_params(colors=ink, length=0)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(ink)
    if lines:
        axes.legend(frameon=False, labelcolor=ink, fontsize=9)


def class_colour(index: int) -> str:
    """Return the colour of the class at `index`, such as "#ffb000"."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def class_rgb(index: int) -> tuple[int, int, int]:
    """Return red, green and blue (0 to 255) of the colour of the class at `index`."""
    red, green, blue = bytes.fromhex(class_colour(index).removeprefix("#"))
    return red, green, blue


def class_tint(index: int) -> str:
    """Return the paler colour of the class at `index`, for outlines of predictions.

    It can be seen on top of the class's colour where two outlines agree.
    """
    parts = [round(0.35 * part + 0.65 * 255) for part in class_rgb(index)]
    return "#" + bytes(parts).hex()


def png(picture: Any, *, dpi: int) -> bytes:
    """Encode a Matplotlib figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    # Otherwise Matplotlib writes its version into the file.
    picture.savefig(buffer, dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def draw(axes: Any, shown: SlicePicture, classes: int) -> None:
    """Draw the slice, the truth's outlines solid and the prediction's dashed."""
    axes.axis("off")
    axes.imshow(
        shown.grey, "gray", vmin=0, vmax=1, aspect=shown.aspect, interpolation="bicubic"
    )
    for index in range(classes):
        truth, predicted = (
            masks.plane(b, index) for b in (shown.truth, shown.predicted)
        )
        _outline(axes, truth, class_colour(index), "solid")
        _outline(axes, predicted, class_tint(index), "dashed")


def _outline(axes: Any, mask: np.ndarray, colour: Any, style: str) -> None:
    if not mask.any():
        return
    # A margin closes the outline of a mask that touches the edge.
    rows, columns = (np.arange(-1, size + 1) for size in mask.shape)
    plane = np.pad(mask, 1).astype(float)
    lines = axes.contour(columns, rows, plane, [0.5], colors=[colour], linewidths=1.3)
    lines.set(linestyle=style)
    # The margin is for the outline alone, not for the picture.
    axes.set(xlim=(-0.5, columns[-1] - 0.5), ylim=(rows[-1] - 0.5, -0.5))


def legend(picture: Any, classes: Sequence[str], *, ink: str, loc: str) -> None:
    """Name the colours of the classes, and the lines of truth and prediction."""
    from matplotlib import lines

    colours = [class_colour(index) for index in range(len(classes))]
    handles = [lines.Line2D([], [], color=colour, linewidth=3) for colour in colours]
    handles += [lines.Line2D([], [], color="#aab1bd", linestyle=s) for s in ("-", "--")]
    names = [*classes, "truth", "prediction"]
    unnamed = ["-"] * len(names)
    box = picture.legend(handles, unnamed, loc=loc, ncols=len(names), fontsize=9)
    box.set_frame_on(False)
    # The names are set afterwards: they may begin with "_", or hold a "$" that must not
    # be read as a formula.
    for text, name in zip(box.get_texts(), names, strict=True):
        text.set(text=name, color=ink, parse_math=False)
