"""Results on standard output: JSON, lines or tables."""

import json
from collections.abc import Callable
from typing import Any

from rich import table
from rich.console import Console
from rich.markup import escape


def result(
    result: dict[str, Any],
    as_json: bool,
    show: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Print a result as JSON, else by `show`, or a line for each key without it."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
    elif show:
        show(result)
    else:
        for key, value in result.items():
            print(f"{key}: {value}")


def faults(result: dict[str, Any]) -> None:
    """Print the first faults and repairs of a submission, and their numbers."""
    for kind in ("fault", "repair"):
        listed = result.get(f"{kind}s", [])
        for entry in listed[:20]:
            print(f"row {entry['row']}: {entry[kind]}")
        print(f"{kind}s: {len(listed)}")
    print(f"rows: {result['rows']}")


def folds(rows: list[dict[str, Any]]) -> None:
    """Print the table of the folds: what each holds out, with the voxels by class."""
    title = "what each fold holds out (classes in voxels)"
    counts = ["fold", "cases", "scans", "slices"]
    shown = table.Table(*counts, *map(escape, rows[0]["voxels"]), title=title)
    for row in rows:
        values = [*(row[key] for key in counts), *row["voxels"].values()]
        shown.add_row(*(f"{value:,}" for value in values))
    Console(width=110).print(shown)


def scores(scores: dict[str, Any]) -> None:
    """Print one table of scores: a row for each set and class."""
    columns = [
        "score_per_class", "score_merged", "dice", "iou", "hausdorff_per_class",
        "hausdorff_merged",
    ]  # fmt: skip
    shown = table.Table("", "class", *columns)
    for name, result in scores.items():
        for class_name, values in {"all": result, **result["by_class"]}.items():
            numbers = [values[key] for key in columns]
            cells = ["-" if n is None else f"{n:.4f}" for n in numbers]
            shown.add_row(name if class_name == "all" else "", class_name, *cells)
    Console(width=130).print(shown)


def ledger(shown: dict[str, Any]) -> None:
    """Print the experiments, then how each reading relates to each leaderboard."""
    if not shown["experiments"]:
        print("no experiment is kept yet: python -m competition ledger add EXPERIMENT")
        return
    _rows(shown["experiments"], title="kept experiments")
    related = [row for row in shown["relations"] if row["mean_gap"] is not None]
    if related:
        _rows(related, title="leaderboard against out of fold")
    else:
        print("3 experiments with a leaderboard score are needed to relate it to ours")


def _rows(rows: list[dict[str, Any]], *, title: str) -> None:
    shown = table.Table(*rows[0], title=title)
    for row in rows:
        shown.add_row(*map(_cell, row.values()))
    Console(width=150).print(shown)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "-" if value is None else str(value)
