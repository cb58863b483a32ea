"""The picture of gate maps: what an Attention U-Net lets through, level by level."""

from collections.abc import Mapping, Sequence

import numpy as np

from competition.core.pages import pictures

_COLOURS = "inferno"
_OPACITY = 0.55


def draw(
    shown: Sequence[pictures.SlicePicture],
    maps: Mapping[str, np.ndarray],
    classes: Sequence[str],
) -> bytes:
    """Draw a slice a row: truth and prediction, then each map over the grey slice.

    `maps` has for each gate its map of each slice (N, H, W), coarsest level first. A
    level's colours reach from its lowest to its highest value, which its title says.
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
                plane, _COLOURS, vmin=low, vmax=high, alpha=_OPACITY, aspect=one.aspect
            )
        level = name.removeprefix("gate")
        title = f"{name}: decoder level {level}\nvalues {low:.3f} to {high:.3f}"
        column[0].set_title(title, fontsize=9)
        # The bar has the colours as they are, without the slice that shines through.
        scale = colors.Normalize(low, high)
        colours = cm.ScalarMappable(scale, _COLOURS)
        bar = picture.colorbar(colours, ax=list(column), location="bottom", shrink=0.8)
        bar.ax.tick_params(labelsize=8)
    return pictures.png(picture, dpi=110)
