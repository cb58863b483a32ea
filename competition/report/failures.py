"""Where a run fails: by volume of the organ, by place in the scan, by presence."""

from typing import TYPE_CHECKING

from competition.core import scores
from competition.core.data import slice_table
from competition.core.pages import charts

if TYPE_CHECKING:
    import pandas as pd

Colours = dict[str, str]
# Parts of a scan from its first to its last slice.
_PARTS = 20


def by_volume(
    slices: "pd.DataFrame", table: "pd.DataFrame", oof: scores.Scores, css: Colours
) -> charts.Drawing | None:
    """Draw the Dice of each scan and class against the true volume of the organ."""
    voxel_ml = {
        scan: z * y * x / 1000
        for scan, (z, y, x) in slice_table.spacings(table).items()
    }
    voxels = slices.groupby(["scan", "class"])["truth"].sum()
    series = []
    for name, colour in css.items():
        points, labels = [], []
        for scan, by_class in oof["by_scan"].items():
            dice = by_class[name]["dice"]
            volume = voxels.get((scan, name), 0) * voxel_ml[scan]
            if dice is not None and volume:
                points.append((volume, dice))
                labels.append(f"{scan}, {volume:.1f} ml, Dice {dice:.3f}")
        series.append(charts.Series(name, points, colour, joined=False, labels=labels))
    return _drawn("Dice against the organ's volume", "volume in truth, ml", series)


def by_place(
    slices: "pd.DataFrame", table: "pd.DataFrame", css: Colours
) -> charts.Drawing | None:
    """Draw the mean Dice of each class against where in its scan a slice lies."""
    depth = table.groupby("scan")["index"].transform("size")
    part = table["index"] * _PARTS // depth
    places = table[["scan", "slice"]].assign(part=part)
    joined = slices.merge(places, on=["scan", "slice"])
    means = joined.groupby(["class", "part"])["dice"].mean()
    series = [
        charts.Series(
            name,
            [((p + 0.5) / _PARTS, dice) for p, dice in means[name].items()],
            colour,
        )
        for name, colour in css.items()
        if name in means.index.get_level_values(0)
    ]
    xlabel = "place in the scan, first to last slice"
    return _drawn("Dice against the slice's place", xlabel, series, xlim=(0.0, 1.0))


def _drawn(
    title: str,
    xlabel: str,
    series: list[charts.Series],
    xlim: tuple[float, ...] = (0.0,),
) -> charts.Drawing | None:
    if not any(each.points for each in series):
        return None
    return charts.draw(
        charts.Chart(title, xlabel, "Dice", series, xlim=xlim, ylim=(0.0, 1.0))
    )
