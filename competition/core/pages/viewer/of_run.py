"""Show held-out scans of a run in the viewer, as their fold's network predicts them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from competition.core import blending, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.core.pages import stages
from competition.core.pages.viewer import pack, scan_view

if TYPE_CHECKING:
    import pandas as pd


def view(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    scan: str,
    table: "pd.DataFrame",
    *,
    title: str | None = None,
    other: runs.Run | None = None,
    attention: Mapping[str, np.ndarray] | None = None,
) -> scan_view.ScanView:
    """Return the view of a held-out scan; `table` is the slice table.

    The final masks of an `other` run are shown too, and the maps of `attention` gates,
    floats (D, H, W) by name.
    """
    rows = table[table["scan"] == scan].sort_values("index")
    store = arrays.Arrays(dataset)
    predictions = blending.out_of_fold(run, scan)
    class_rules = rules.read(run.files.decision, run.classes, run.config.members)
    traced = stages.trace(predictions, class_rules)
    return scan_view.ScanView(
        title=title or scan,
        numbers=rows["slice"].tolist(),
        scan=store.scan(scan),
        spacing=slice_table.spacings(rows)[scan],
        stages=stages.bits(traced),
        truth=store.masks(scan),
        other=None if other is None else blending.decided(other, scan),
        heats={
            f"probability of {name}": steps["probability"]
            for name, steps in zip(run.classes, traced, strict=True)
        }
        | {
            _attention_title(name, values): pack.scaled(values)
            for name, values in (attention or {}).items()
        },
        presence=_presence(run, predictions, class_rules),
    )


def _attention_title(name: str, values: np.ndarray) -> str:
    return f"{name}, {np.nanmin(values):.3f} to {np.nanmax(values):.3f}"


def _presence(
    run: runs.Run,
    predictions: blending.MemberPredictions,
    class_rules: Sequence[rules.Rule],
) -> np.ndarray | None:
    """Return the presence (D, C) that decides, or None without presence heads."""
    sources = runs.gates(run) or runs.members(run)
    if not any(source.config.model.presence for source in sources):
        return None
    columns = [
        predictions.of_class(index, rule.weights).presence
        for index, rule in enumerate(class_rules)
    ]
    return np.stack(columns, axis=-1)
