"""Pictures of one scan: input, probabilities, what each part of the rule does, masks.

One PNG: a row a slice and class, from left to right as the data flows.
"""

import io
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from competition.core import blending, files, masks, rules
from competition.core.data import arrays, slices
from competition.core.experiment import layout, runs

SLICES = 3
# What is new in a panel, and what the part took away.
_KEPT, _GONE = (0.22, 0.74, 0.97), (0.98, 0.35, 0.2)
Steps = dict[str, np.ndarray]


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    scan: str,
    out: pathlib.Path | None = None,
    count: int = SLICES,
) -> dict[str, Any]:
    """Draw `count` slices of a held-out scan; the default is show/<scan>.png."""
    table = slices.read(dataset.slices)
    rows = table[table["scan"] == scan].sort_values("index").reset_index(drop=True)
    if rows.empty:
        known = ", ".join(slices.scans(table)[:5])
        raise ValueError(
            f"{dataset.slices} has no scan {scan!r}. Expected one of the training "
            f"scans, such as {known}."
        )
    held_out = slices.held_out_scans(table, list(run.config.folds))
    if scan not in held_out:
        raise ValueError(
            f"{scan} was held out by no fold of {run.name}. Expected a scan that was, "
            f"such as {', '.join(held_out[:5])}."
        )
    out = out or run.files.root / "show" / f"{scan}.png"
    stages = trace(run, scan)
    volume, truth = (
        arrays.Arrays(dataset).scan(scan),
        arrays.Arrays(dataset).masks(scan),
    )
    windows = slices.windows(rows, run.config.intensity)
    final = np.stack([list(steps.values())[-1] for steps in stages], axis=-1)
    chosen = choose((truth > 0) | final.any(axis=-1), count)
    files.write_bytes(out, _draw(volume, truth, windows, stages, chosen, run.classes))
    return {
        "picture": str(out),
        "scan": scan,
        "slices": [int(rows["slice"][index]) for index in chosen],
        "voxels": {
            name: {
                part: int(mask.sum())
                for part, mask in steps.items()
                if mask.dtype == bool
            }
            for name, steps in zip(run.classes, stages, strict=True)
        },
    }


def trace(run: runs.Run, scan: str) -> list[Steps]:
    """The arrays (D, H, W) that each class passes: probability first, then masks.

    A part of the rule that is off is left out.
    """
    seen = blending.out_of_fold(run, scan)
    decided = rules.read(run.files.decision, run.classes)
    traced = []
    for index, rule in enumerate(decided):
        probability, presence = seen.plane(index, rule.weights)
        steps: Steps = {"probability": probability}
        steps["threshold"] = probability >= rule.threshold * 255
        if rule.gate or rule.smooth:
            steps["gate"] = rules.threshold(probability, rule, presence)
        mask = rules.threshold(probability, rule, presence)
        for part, change in rules.CLEANING:
            if getattr(rule, part):
                mask = steps[part] = change(mask, rule)
        traced.append(steps)
    return traced


def choose(filled: np.ndarray, count: int) -> list[int]:
    """Take up to `count` slices evenly among those of (D, H, W) that hold a mask.

    Where none does, evenly among all.
    """
    there = np.flatnonzero(filled.any(axis=(1, 2)))
    among = there if len(there) else np.arange(len(filled))
    places = np.linspace(0, len(among) - 1, count + 2)[1:-1].round().astype(int)
    return [int(index) for index in among[np.unique(places)]]


def _draw(
    volume: np.ndarray,
    truth: masks.Bits,
    windows: np.ndarray,
    stages: Sequence[Steps],
    chosen: Sequence[int],
    classes: Sequence[str],
) -> bytes:
    from matplotlib import figure

    columns = 2 + max(map(len, stages))
    lines = [(index, c) for index in chosen for c in range(len(classes))]
    picture = figure.Figure((2.2 * columns, 2.4 * len(lines)), layout="constrained")
    grid = picture.subplots(len(lines), columns, squeeze=False)
    for axes, (index, c) in zip(grid, lines, strict=True):
        for each in axes:
            each.axis("off")
        low, high = windows[index]
        grey = np.clip((volume[index] - low) / max(high - low, 1), 0, 1)
        _panel(axes[0], grey, f"slice {index + 1}: {classes[c]}")
        before = None
        for each, (part, whole) in zip(axes[1:], stages[c].items(), strict=False):
            _panel(each, _shown(grey, whole[index], before), part)
            before = whole[index] if whole.dtype == bool else None
        _panel(axes[-1], _shown(grey, masks.plane(truth[index], c), None), "truth")
    buffer = io.BytesIO()
    picture.savefig(buffer, dpi=80, metadata={"Software": None})
    return buffer.getvalue()


def _panel(axes: Any, image: np.ndarray, title: str) -> None:
    axes.imshow(image, "gray" if image.ndim == 2 else None, vmin=0, vmax=1)
    axes.set_title("").set(text=title, parse_math=False, fontsize=8)


def _shown(
    grey: np.ndarray, plane: np.ndarray, before: np.ndarray | None
) -> np.ndarray:
    """A probability as it is; a mask over the slice, with what was taken away."""
    if plane.dtype != bool:
        return plane / 255
    coloured = np.repeat(grey[..., None], 3, axis=-1)
    coloured[plane] = 0.5 * coloured[plane] + 0.5 * np.array(_KEPT)
    if before is not None:
        coloured[before & ~plane] = _GONE
    return coloured
