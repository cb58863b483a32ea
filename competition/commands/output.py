"""Results on standard output: JSON, lines or tables."""

import json
from collections.abc import Callable
from typing import Any

from rich import table
from rich.console import Console
from rich.markup import escape

from competition.core import console


def lines(result: dict[str, Any]) -> None:
    """Print a line for each key."""
    for key, value in result.items():
        # The name of a folder may hold bytes that are not UTF-8.
        print(console.readable(f"{key}: {value}"))


def result(
    result: dict[str, Any],
    as_json: bool,
    show: Callable[[dict[str, Any]], None] = lines,
) -> None:
    """Print a result as one JSON object, or by `show`."""
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        show(result)


def prepared(manifest: dict[str, Any]) -> None:
    """Print the cases, scans, slices and voxels of each fold, and their numbers."""
    folds = [
        {key: row[key] for key in ("fold", "cases", "scans", "slices")} | row["voxels"]
        for row in manifest["fold_table"]
    ]
    _table(folds, title="what each fold holds out (classes in voxels)", width=110)
    shown = ("cases", "scans", "slices", "faulty", "quarantined", "gaps", "body_saving")
    lines({key: manifest[key] for key in shown})


def labelled(result: dict[str, Any]) -> None:
    """Print how many volumes or images were labelled, and those that were not."""
    lines({key: value for key, value in result.items() if key != "failed"})
    for path in result["failed"]:
        print(f"failed: {path}")


def trained(result: dict[str, Any]) -> None:
    """Print how far each fold of a run, and of its members, is trained."""
    by_run = {None: result["folds"], **result["members"]}
    rows = [
        {
            "member": name,
            "fold": str(fold),
            "epochs": each["epochs"],
            "score": each["score"],
            "finished": "yes" if each["finished"] else "no",
        }
        for name, folds in by_run.items()
        for fold, each in folds.items()
    ]
    _table(rows, title="trained folds")


def decided(decision: dict[str, Any]) -> None:
    """Print the rule of each class and, of a blend, the weights of its members."""
    for key in ("rules", "weights"):
        by_class = decision.get(key, {})
        rows = [
            {"class": name} | {part: _setting(value) for part, value in each.items()}
            for name, each in by_class.items()
        ]
        if rows:
            _table(rows, title=key)


def _setting(value: Any) -> Any:
    """Return a part of a rule as a cell: None if it is off."""
    if not value or isinstance(value, int | float):
        return "on" if value is True else value or None
    return str(value)


def plan(plan: dict[str, Any]) -> None:
    """Print a row for each run of an experiment, the totals, and what does not fit."""
    from competition.machine import deadline, memory

    def time(seconds: float | None) -> str:
        return "-" if seconds is None else deadline.show(seconds)

    rows = [
        {
            "run": run["name"],
            "parameters": run["parameters"],
            "folds": run["folds"],
            "epochs": run["epochs"],
            "steps an epoch": run["steps"],
            "s a step": run["step"],
            "memory": memory.show(run["memory"]),
            "a fold": time(run["fold"]),
            "all folds": time(run["seconds"]),
            "submission": time(run["submission"]),
            "disk": memory.show(run["disk"]),
        }
        for run in plan["runs"]
    ]
    _table(rows, title=plan["device"])
    print(
        f"in all: {time(plan['seconds'])} to train and predict {plan['slices']:,} "
        f"slices, {time(plan['submission'])} for a submission of the hidden test\n"
        f"disk: {memory.show(plan['prepared'])} of prepared data, up to "
        f"{memory.show(plan['outputs'])} of outputs"
    )
    for problem in plan["problems"]:
        print(f"! {problem}")


def faults(result: dict[str, Any]) -> None:
    """Print the first faults and repairs of a submission, and their numbers."""
    for kind in ("fault", "repair"):
        listed = result.get(f"{kind}s", [])
        for entry in listed[:20]:
            print(f"row {entry['row']}: {entry[kind]}")
        print(f"{kind}s: {len(listed)}")
    print(f"rows: {result['rows']}")


def run(results: dict[str, Any]) -> None:
    """Print the scores of a run and its files; of an unfinished run, its folds."""
    if "train" not in results:
        return
    if "score" not in results:
        trained(results["train"])
        return
    scored(results["score"])
    lines({"submission": results["submit"]["submission"], **results["report"]})


def scored(result: dict[str, Any]) -> None:
    """Print the scores of a run: out of fold and, if it is known, of its submission."""
    shown = {name: result[name] for name in ("oof", "submission")}
    scores({name: each for name, each in shown.items() if each})


def compared(result: dict[str, Any]) -> None:
    """Print how two runs differ in each score, with the interval, and the paths."""
    rows = [
        {"": kind, "score": name}
        | {key: each[key] for key in ("first", "other", "difference", "low", "high")}
        for kind, found in result["differences"].items()
        for name, each in found.items()
    ]
    title = f"{result['against']} (other) less {result['run']} (first), 95 % interval"
    _table(rows, title=title)
    print(f"scans: {result['better']} better, {result['worse']} worse")
    paths = ("report", "pages", "pictures", "comparison")
    lines({key: result[key] for key in paths if key in result})


def scores(scores: dict[str, Any]) -> None:
    """Print one table of scores: a row for each set and class; then the calibration."""
    columns = [
        "score_per_class", "score_merged", "dice", "dice_with_empty", "iou",
        "hausdorff_per_class", "hausdorff_merged",
    ]  # fmt: skip
    rows = []
    for name, result in scores.items():
        for class_name, values in {"all": result, **result["by_class"]}.items():
            row = {"": name if class_name == "all" else "", "class": class_name}
            rows.append(row | {column: values[column] for column in columns})
    _table(rows)
    print(
        "dice skips slices that are empty in truth and prediction, as the leaderboard "
        "does;\ndice_with_empty counts them as 1, as papers do: compare it only with "
        "theirs"
    )
    calibrated = scores.get("oof", {}).get("calibration", {})
    if calibrated:
        errors = ("expected_error", "expected_error_likely")
        rows = [
            {"class": name, **{error: values[error] for error in errors}}
            for name, values in calibrated.items()
        ]
        _table(rows, title="calibration out of fold: probability against share")


def rehearsals(result: dict[str, Any]) -> None:
    """Print the outcome of each stage of a rehearsal, and its score if it has one."""
    for stage, outcome in result["rehearsals"].items():
        for key, value in outcome.items():
            if key != "score":
                print(f"{stage}: {key}: {value}")
        if scored := outcome.get("score"):
            scores({"rehearsal": scored})


def ledger(shown: dict[str, Any]) -> None:
    """Print the experiments, then how each of our scores relates to a leaderboard's."""
    if not shown["experiments"]:
        print("no experiment is kept yet: python -m competition ledger add EXPERIMENT")
    else:
        # Digests are for programs, which read the JSON.
        digests = {"fingerprint", "submission"}
        rows = [
            {key: value for key, value in each.items() if key not in digests}
            for each in shown["experiments"]
        ]
        _table(rows, title="kept experiments")
    _table(shown["lines"], title="lines of the private leaderboard")
    related = [row for row in shown["relations"] if row["mean_gap"] is not None]
    if related:
        _table(related, title="leaderboard against out of fold")
    else:
        print(
            "3 experiments with a leaderboard score and one of ours are needed to "
            "relate the two"
        )


def _table(
    rows: list[dict[str, Any]], *, title: str | None = None, width: int = 150
) -> None:
    """Print a table; the first column has names to type, so it is never folded."""
    shown = table.Table(title=title)
    first, *others = map(escape, rows[0])
    shown.add_column(first, no_wrap=True)
    for name in others:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*map(_cell, row.values()))
    Console(width=width).print(shown)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return escape(value)
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
