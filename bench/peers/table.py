"""The results of all peers as a table, from the files that their workers wrote."""

import json
import pathlib

TARGET = 0.88
HEAD = "CPU minutes", "peer", "packages"


def read(folder: pathlib.Path) -> list[dict]:
    """Return the results under a fold's folder, by budget and then best first."""
    paths = folder.glob("*s/*.json")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(results, key=lambda each: (each["seconds"], -_mean(each["dice"])))


def lines(results: list[dict]) -> list[str]:
    """Return the table's lines; the time of the target is of the scans seen midway."""
    if not results:
        return ["no results yet"]
    classes = results[0]["classes"]
    columns = [*HEAD, *classes, "mean Dice", f"CPU minutes to {TARGET}", "used"]
    rows = [columns, ["---"] * len(columns), *map(_row, results)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def reached(result: dict) -> float | None:
    """Return the CPU seconds at which the mean Dice first was at the target."""
    end = (result["spent"], result["dice"])
    return next((s for s, d in [*result["curve"], end] if _mean(d) >= TARGET), None)


def _row(result: dict) -> list[str]:
    packages = ", ".join(f"{k} {v}" for k, v in result["packages"].items())
    time = reached(result)
    return [
        f"{result['seconds'] / 60:g}",
        result["peer"],
        packages,
        *(f"{value:.4f}" for value in result["dice"]),
        f"{_mean(result['dice']):.4f}",
        "-" if time is None else f"{time / 60:.1f}",
        f"{result['spent'] / 60:.1f}",
    ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
