"""The viewer of some scans in the report, and a page for every scan."""

import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import files
from competition.core.data import slice_table
from competition.core.experiment import layout, runs
from competition.core.pages import html_page, viewer
from competition.core.pages.viewer import of_run

if TYPE_CHECKING:
    import pandas as pd

# The most voxels on a page, those of ten scans of the competition: more make it slow.
VOXELS = 10 * 144 * 266 * 266

Ranked = Sequence[dict[str, Any]]


def embedded(
    dataset: layout.DatasetFiles, run: runs.Run, ranked: Ranked
) -> dict[str, Any] | None:
    """Return what viewer.html shows: the worst scans, as many as a page holds.

    If the run has networks with gates, the worst scan has its attention maps too.
    """
    table = slice_table.read(dataset)
    shown = ranked[: _fitting(table, [row["scan"] for row in ranked])]
    if not shown:
        return None
    attention = [
        _attention(dataset, run, table, shown[0]["scan"]),
        *[{}] * (len(shown) - 1),
    ]
    views = (
        of_run.view(dataset, run, row["scan"], table, title=title(row), attention=maps)
        for row, maps in zip(shown, attention, strict=True)
    )
    return viewer.values(views, run.classes, count=len(shown))


def of_both(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    other: runs.Run,
    titles: Mapping[str, str],
) -> dict[str, Any] | None:
    """Return what viewer.html shows of two runs: the first scans of `titles`."""
    table = slice_table.read(dataset)
    shown = [*titles][: _fitting(table, [*titles])]
    if not shown:
        return None
    views = (
        of_run.view(dataset, run, scan, table, title=titles[scan], other=other)
        for scan in shown
    )
    lines = {"truth": "truth", "prediction": run.name, "other": other.name}
    return viewer.values(views, run.classes, count=len(shown), lines=lines)


def _fitting(table: "pd.DataFrame", scans: Sequence[str]) -> int:
    """Return how many of the scans, from the first on, a page holds: at least one."""
    grids, slices = slice_table.grids(table), table.groupby("scan").size().to_dict()
    voxels = (math.prod(grids[scan].shape) * slices[scan] for scan in scans)
    return max(1, len([n for n in itertools.accumulate(voxels) if n <= VOXELS]))


def _attention(
    dataset: layout.DatasetFiles, run: runs.Run, table: "pd.DataFrame", scan: str
) -> dict[str, np.ndarray]:
    """Return the attention maps of a scan, if the run has such networks at hand."""
    rows = table[table["scan"] == scan].sort_values("index")
    weights = run.files.weights(int(rows["fold"].iloc[0]))
    is_blend = bool(run.config.members)
    if is_blend or not run.config.model.has_attention_gates or not weights.is_file():
        return {}
    from competition.net.inference import attention_maps

    return attention_maps.of_scan(dataset, run, rows)


def write_pages(
    dataset: layout.DatasetFiles, run: runs.Run, ranked: Ranked, folder: pathlib.Path
) -> pathlib.Path:
    """Write a page for every scan, and an index of them, worst first; return that."""
    table = slice_table.read(dataset)
    for row in ranked:
        view = of_run.view(dataset, run, row["scan"], table, title=title(row))
        filled = viewer.values([view], run.classes, count=1)
        page = {"title": f"{run.name} · {row['scan']}", "viewer": filled}
        path = folder / f"{row['scan']}.html"
        files.write_text(path, html_page.render("scans.html", page))
    index = folder / "index.html"
    content = {"run": run, "dataset": dataset.root.name, "rows": ranked}
    files.write_text(index, html_page.render("scans_index.html", content))
    return index


def title(row: dict[str, Any]) -> str:
    """Return what a list of scans calls a ranked scan."""
    score = row["score"]
    return row["scan"] + ("" if score is None else f" · {score:.4f}")
