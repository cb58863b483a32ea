"""The pictures of a scan: the stages of its masks, and its attention maps."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from competition.core import masks
from competition.core.pages import pictures, stages

# The colours of a mask, and of the pixels that the last part of the rule removed.
_MASK, _REMOVED = (0.22, 0.74, 0.97), (0.98, 0.35, 0.2)
_MAP_COLOURS = "inferno"


def draw_stages(
    shown: Sequence[pictures.SlicePicture],
    indices: Sequence[int],
    traced: Sequence[stages.Steps],
    classes: Sequence[str],
) -> bytes:
    """Draw a row for each slice and class as PNG, from left to right as data flows.

    `indices` are the places of the `shown` slices in the scan.
    """
    from matplotlib import figure

    columns = 2 + max(map(len, traced))
    slices = zip(shown, indices, strict=True)
    lines = list(itertools.product(slices, range(len(classes))))
    picture = figure.Figure((2.2 * columns, 2.4 * len(lines)), layout="constrained")
    grid = picture.subplots(len(lines), columns, squeeze=False)
    for axes, ((one, index), c) in zip(grid, lines, strict=True):
        for panel in axes:
            panel.axis("off")
        show = functools.partial(_panel, aspect=one.aspect)
        show(axes[0], one.grey, f"slice {one.number}: {classes[c]}")
        before = None
        for panel, (part, values) in zip(axes[1:], traced[c].items(), strict=False):
            show(panel, _coloured(one.grey, values[index], before), part)
            before = values[index] if values.dtype == bool else None
        mask = masks.plane(one.truth, c)
        show(axes[-1], _coloured(one.grey, mask, None), "truth")
    return pictures.png(picture, dpi=80)


def draw_attention(
    shown: Sequence[pictures.SlicePicture],
    maps: Mapping[str, np.ndarray],
    classes: Sequence[str],
) -> bytes:
    """Draw a slice a row: truth and prediction, then each map over the grey slice.

    `maps` has for each gate its map of each slice (N, H, W), coarsest level first. The
    colours of a level span its lowest to its highest value, which are in its title.
    """
    from matplotlib import cm, colors, figure

    columns = 1 + len(maps)
    picture = figure.Figure((3 * columns, 2.9 * len(shown)), layout="constrained")
    grid = picture.subplots(len(shown), columns, squeeze=False)
    pictures.legend(picture, classes, ink="black", loc="outside lower center")
    for axes, one in zip(grid[:, 0], shown, strict=True):
        pictures.draw(axes, one, len(classes))
        axes.set_title(f"{one.scan}, slice {one.number}", fontsize=9)
    for column, (name, values) in zip(grid.T[1:], maps.items(), strict=True):
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        for axes, one, plane in zip(column, shown, values, strict=True):
            axes.axis("off")
            axes.imshow(one.grey, "gray", vmin=0, vmax=1, aspect=one.aspect)
            axes.imshow(
                plane, _MAP_COLOURS, vmin=low, vmax=high, alpha=0.55, aspect=one.aspect
            )
        title = f"{name}: decoder level {name.removeprefix('gate')}\n"
        column[0].set_title(f"{title}values {low:.3f} to {high:.3f}", fontsize=9)
        # The bar shows the colours alone, without the slice under them.
        colours = cm.ScalarMappable(colors.Normalize(low, high), _MAP_COLOURS)
        bar = picture.colorbar(colours, ax=list(column), location="bottom", shrink=0.8)
        bar.ax.tick_params(labelsize=8)
    return pictures.png(picture, dpi=110)


def _panel(axes: Any, image: np.ndarray, title: str, *, aspect: float) -> None:
    colours = "gray" if image.ndim == 2 else None
    axes.imshow(image, colours, vmin=0, vmax=1, aspect=aspect)
    axes.set_title("").set(text=title, parse_math=False, fontsize=8)


def _coloured(
    grey: np.ndarray, plane: np.ndarray, before: np.ndarray | None
) -> np.ndarray:
    """Return a probability in 0..1, or a mask and its removed pixels over the slice."""
    if plane.dtype != bool:
        return plane / 255
    coloured = np.repeat(grey[..., None], 3, axis=-1)
    coloured[plane] = 0.5 * coloured[plane] + 0.5 * np.array(_MASK)
    if before is not None:
        coloured[before & ~plane] = _REMOVED
    return coloured
