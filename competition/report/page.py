"""The values that the page of a run is filled with."""

import pathlib
from typing import TYPE_CHECKING, Any

from competition.core import files, rules, scores, slice_scores
from competition.core.data import slice_table
from competition.core.experiment import history, layout, runs
from competition.core.pages import charts, examples, findings, html_page, pictures
from competition.machine import memory
from competition.report import (
    again,
    benchmarks,
    failures,
    headline,
    leaderboard,
    pooling,
    scans,
    source,
    training,
    trials,
    words,
)

if TYPE_CHECKING:
    import pandas as pd

# The pictures of suspects on this page; the audit's own page has more.
SUSPECTS = 24


def values(
    dataset: layout.DatasetFiles, run: runs.Run, submissions: pathlib.Path
) -> dict[str, Any]:
    """Return the values of the page, by their names in its template."""
    manifest: dict[str, Any] = files.read_json(dataset.manifest, dict)
    table = slice_table.read(dataset)
    scored = scores.read(run.files.score)
    nested = scores.read_nested(run.files.score)
    ranked = {name: examples.ranked(result) for name, result in scored.items()}
    groups, spread = _groups(table, scored["oof"], nested)
    return {
        "words": words,
        "memory": memory,
        "run": run,
        "dataset": dataset.root.name,
        "dots": html_page.class_names(run.classes),
        "tiles": headline.tiles(scored, nested, spread),
        "spreads": spread,
        "is_nested": nested is not None,
        "sets": {"oof": scored["oof"]}
        | ({"nested": nested} if nested else {})
        | {name: result for name, result in scored.items() if name != "oof"},
        "viewer": scans.embedded(dataset, run, ranked["oof"]),
        "ranked": ranked,
        "examples": [
            {**row, "word": word, "pictures": _pictures(dataset, run, row["scan"])}
            for word, row in examples.chosen(ranked.get("oof", []))
        ],
        "calibration": scored["oof"].get("calibration"),
        "reliability": _reliability(scored["oof"], html_page.class_names(run.classes)),
        **groups,
        **_failures(run, table, scored["oof"]),
        **_rules(run),
        **_training(run),
        **_source(table, manifest, run),
        "findings": findings.of_data(dataset, shown=SUSPECTS),
        "trials": trials.summary(dataset.search(run.name), run.config),
        "benchmarks": benchmarks.sections(dataset.root.parent),
        "leaderboard": leaderboard.summary(submissions),
        "differences": again.differences(run.config),
        "settings": again.tables(run.config),
        "commands": again.commands(run, manifest),
    }


def _pictures(
    dataset: layout.DatasetFiles, run: runs.Run, scan: str
) -> list[dict[str, Any]]:
    drawn = []
    for shown in pictures.choose(dataset, run, scan):
        png = html_page.embed(pictures.slice(shown, len(run.classes)))
        drawn.append({"number": shown.number, "png": png})
    return drawn


def _groups(
    table: "pd.DataFrame", oof: scores.Scores, nested: scores.Scores | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the scores of each fold and case, and their spread: nested ones if any."""
    by_scan = table.groupby("scan").agg(
        fold=("fold", "first"), case=("case", "first"), depth=("id", "size")
    )
    depths = by_scan["depth"].to_dict()
    numbers = pooling.numbers(oof, depths)
    honest = pooling.numbers(nested, depths) if nested else {}
    found, spread = {}, []
    for kind in ("fold", "case"):
        groups = by_scan[kind].to_dict()
        pooled = pooling.pooled(numbers, groups)
        tested = pooling.pooled(honest, groups)
        found[f"by_{kind}"] = {
            group: {"oof": each, "nested": tested.get(group)}
            for group, each in pooled.items()
        }
        spread += headline.spreads(tested or pooled, kind)
    return found, spread


def _failures(
    run: runs.Run, table: "pd.DataFrame", oof: scores.Scores
) -> dict[str, Any]:
    """Return what the table of slices shows; nothing if an older score has none."""
    slices = slice_scores.read(run.files)
    if slices is None or not oof["by_scan"]:
        return {"presence": {}, "failures": []}
    css = html_page.class_names(run.classes)
    depth = int(table["scan"].isin([*oof["by_scan"]]).sum())
    drawn = [
        failures.by_volume(slices, table, oof, css),
        failures.by_place(slices, table, css),
    ]
    return {
        "presence": slice_scores.count(slices, slices=depth, classes=run.classes),
        "failures": [each for each in drawn if each],
    }


def _reliability(oof: scores.Scores, css: dict[str, str]) -> charts.Drawing | None:
    """Draw how often pixels with a probability belong to each class."""
    series = [
        charts.Series(
            name, [(p["probability"], p["share"]) for p in each["curve"]], dot
        )
        for (name, each), dot in zip(
            oof.get("calibration", {}).items(), css.values(), strict=False
        )
    ]
    if not any(each.points for each in series):
        return None
    title, ylabel = "Reliability", "share that is of the class"
    ends = (0.0, 1.0)
    return charts.draw(
        charts.Chart(title, "probability", ylabel, series, ends, ends, diagonal=True)
    )


def _rules(run: runs.Run) -> dict[str, Any]:
    decision: dict[str, Any] = files.read_json(run.files.decision, dict)
    members = run.config.members
    chosen = rules.read(run.files.decision, run.classes, members)
    return {
        "rules": dict(zip(run.classes, chosen, strict=True)),
        "taken_from": decision.get("taken_from"),
        "search": decision if "nested" in decision else None,
        "gains": _gains(decision) if "nested" in decision else [],
    }


def _gains(decision: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of the search, each with its score."""
    rows, score = [], decision["baseline"]
    nested = decision["nested"]
    for name, gain in nested["gains"].items():
        score += gain
        kept = nested["kept"][name].items()
        classes = ", ".join(f"{c} {each:+.4f}" for c, each in kept if each)
        rows.append(
            {
                "name": name,
                "gain": gain,
                "score": score,
                "classes": classes or "no class",
            }
        )
    return rows


def _training(run: runs.Run) -> dict[str, Any]:
    """Return how a run was trained, or each member and gate of a blend."""
    found = []
    for each in runs.members_and_gates(run):
        folds = each.config.folds
        histories = {fold: history.read(each.files.history(fold)) for fold in folds}
        if any(histories.values()):
            about = {
                "name": each.name,
                "kept": words.kept(each.config.training),
                "curves": training.curves(histories),
                "times": training.times(histories),
            }
            found.append(about)
    return {"trainings": found}


def _source(
    table: "pd.DataFrame", manifest: dict[str, Any], run: runs.Run
) -> dict[str, Any]:
    """Return what is known about the data, and what each fold holds out."""
    voxels = {row["fold"]: row["voxels"] for row in manifest.get("fold_table", [])}
    rows = []
    for fold in sorted(table["fold"].unique()):
        held_out = slice_table.held_out(table, fold)
        row = {
            "fold": int(fold),
            "cases": held_out["case"].nunique(),
            "scans": held_out["scan"].nunique(),
            "slices": len(held_out),
            "voxels": voxels.get(fold, {}),
        }
        rows.append(row)
    return {
        "facts": source.facts(manifest, table, run.fingerprint),
        "formats": source.formats(table),
        "folds": rows,
    }
