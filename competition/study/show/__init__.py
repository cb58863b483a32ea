"""Pictures of one held-out scan: the steps to its masks, and its attention maps."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from competition.core import files
from competition.core.data import slice_table
from competition.core.experiment import layout, runs
from competition.core.pages import html_page, pictures, stages, viewer
from competition.core.pages.viewer import of_folder, of_run, scan_view
from competition.study.show import drawings


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    scan: str,
    out: pathlib.Path | None = None,
    count: int = pictures.SLICES,
) -> dict[str, Any]:
    """Draw `count` slices of a held-out scan with the stages of their masks.

    A row is a slice and class: input, probability, each part of the rule, truth. The
    picture is written to `out`, by default show/<scan>.png in the run, and beside it a
    page with a viewer of the whole scan.
    """
    rows = _rows(dataset, run, scan)
    out = out or run.files.root / "show" / f"{scan}.png"
    _check_name(out, ".png")
    shown = pictures.choose(dataset, run, scan, count=count)
    numbers = [one.number for one in shown]
    indices = rows.index[rows["slice"].isin(numbers)].tolist()
    traced = stages.out_of_fold(run, scan)
    files.write_bytes(out, drawings.draw_stages(shown, indices, traced, run.classes))
    view = of_run.view(dataset, run, scan, rows)
    page = _write_page(out.with_suffix(".html"), view, run.classes, viewer.LINES)
    return {
        "picture": str(out),
        "page": page,
        "scan": scan,
        "slices": numbers,
        "voxels": {
            name: {part: int(mask.sum()) for part, mask in list(steps.items())[1:]}
            for name, steps in zip(run.classes, traced, strict=True)
        },
    }


def folder(
    data: pathlib.Path,
    *,
    scan: str,
    out: pathlib.Path,
    submission: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Write a page with a scan of a competition folder and its annotations.

    With a `submission` its masks are shown, beside the annotations if there are any.
    """
    _check_name(out, ".html")
    view, classes, lines = of_folder.view(data, scan, submission)
    return {"page": _write_page(out, view, classes, lines), "scan": scan}


def attention(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    scan: str,
    out: pathlib.Path | None = None,
    count: int = pictures.SLICES,
) -> dict[str, Any]:
    """Draw the attention maps of an Attention U-Net over the slices that `run` draws.

    The network is that of the fold that held the scan out. The picture is written to
    `out`, by default show/<scan>_attention.png in the run, and beside it a page with
    the maps of all slices.
    """
    _check_attention(dataset, run)
    rows = _rows(dataset, run, scan)
    out = out or run.files.root / "show" / f"{scan}_attention.png"
    _check_name(out, ".png")
    shown = pictures.choose(dataset, run, scan, count=count)
    numbers = [one.number for one in shown]
    chosen = rows.index[rows["slice"].isin(numbers)].tolist()

    from competition.net.inference import attention_maps

    maps = attention_maps.of_scan(dataset, run, rows)
    drawn = {name: values[chosen] for name, values in maps.items()}
    files.write_bytes(out, drawings.draw_attention(shown, drawn, run.classes))
    view = of_run.view(dataset, run, scan, rows, attention=maps)
    page = _write_page(out.with_suffix(".html"), view, run.classes, viewer.LINES)
    return {
        "picture": str(out),
        "page": page,
        "scan": scan,
        "fold": int(rows["fold"][0]),
        "slices": numbers,
        "attention": {
            name: {"low": float(np.nanmin(values)), "high": float(np.nanmax(values))}
            for name, values in maps.items()
        },
    }


def _check_name(out: pathlib.Path, expected: str) -> None:
    """Refuse a file name whose suffix is for another kind of file."""
    if out.suffix.lower() != expected:
        kind = "a page" if expected == ".html" else "a picture, with a page beside it"
        example = (out if out.name else out / "slices").with_suffix(expected)
        raise ValueError(
            f"--out: this writes {kind}. Expected a name that ends in {expected}, "
            f"received {out}. Use {example}."
        )


def _write_page(
    path: pathlib.Path,
    view: scan_view.ScanView,
    classes: Sequence[str],
    lines: dict[str, str],
) -> str:
    filled = viewer.values([view], classes, count=1, lines=lines)
    page = {"title": view.title, "viewer": filled}
    files.write_text(path, html_page.render("scans.html", page))
    return str(path)


def _rows(dataset: layout.DatasetFiles, run: runs.Run, scan: str) -> pd.DataFrame:
    """Return the rows of a scan in order; refuse one that no fold held out."""
    table = slice_table.read(dataset)
    rows = table[table["scan"] == scan].sort_values("index").reset_index(drop=True)
    if rows.empty:
        known = ", ".join(slice_table.scans(table)[:5])
        raise ValueError(
            f"{dataset.slices} has no scan {scan!r}. Expected one of the training "
            f"scans, such as {known}."
        )
    held_out = slice_table.held_out_scans(table, list(run.config.folds))
    if not held_out:
        raise ValueError(
            f"{run.name} is trained on every case and holds no scan out, so it has no "
            f"masks of {scan} to show. Name a run that is trained on folds."
        )
    if scan not in held_out:
        raise ValueError(
            f"{scan} was held out by no fold of {run.name}. Expected a scan that was, "
            f"such as {', '.join(held_out[:5])}."
        )
    return rows


def _check_attention(dataset: layout.DatasetFiles, run: runs.Run) -> None:
    """Refuse a run without gates, and name the runs that have them."""
    if run.config.model.has_attention_gates and not run.config.members:
        return
    others = [
        path.parent.name
        for path in sorted(dataset.root.glob("runs/*/config.json"))
        if _has_attention(path)
    ]
    kind = "blend" if run.config.members else run.config.model.architecture
    raise ValueError(
        f"The run {run.name} is a {kind}, which has no gates to show. Expected a run "
        f'of a network with architecture = "attention_unet". Runs of {dataset.root} '
        f"that have gates: {', '.join(others) or 'none, train one first'}."
    )


def _has_attention(path: pathlib.Path) -> bool:
    """Return whether a config.json is that of a network with gates."""
    try:
        config = runs.read(layout.RunFiles(path.parent)).config
    except ValueError:
        # A damaged run has nothing to show.
        return False
    return config.model.has_attention_gates
