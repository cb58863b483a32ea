"""Compare a run with another one on the same data: where is the other better?"""

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from competition.core import files, scores, slice_scores
from competition.core.data import slice_table
from competition.core.experiment import configs, layout, runs
from competition.core.pages import charts, examples, html_page
from competition.report import again, paired, pooling, scans, words

if TYPE_CHECKING:
    import pandas as pd

# The slices that differ most, in each direction, that the page lists.
_SLICES = 20
_SCAN_COLUMNS = ["scan", "slice", "class"]


def find(run: runs.Run, name: str) -> runs.Run:
    """Return the run to compare with, by its name or its folder.

    It must have the same data, folds and classes.
    """
    folder = pathlib.Path(name)
    if not (folder / "config.json").is_file() and len(folder.parts) == 1:
        folder = run.files.root.parent / layout.plain(name)
    other = runs.read(layout.RunFiles(folder))
    for each in (run, other):
        if not _scans(each):
            raise ValueError(
                f"{each.name} holds no scan out, so it cannot be compared. Compare "
                "runs that are trained on folds."
            )
    for subject, received, expected in (
        ("data or folds (fingerprint)", other.fingerprint, run.fingerprint),
        ("classes", other.classes, run.classes),
        ("scans out of fold", _scans(other), _scans(run)),
    ):
        if received != expected:
            raise ValueError(
                f"{run.name} cannot be compared with {other.name}: it has other "
                f"{subject}, {_short(received)}, not {_short(expected)}. Compare runs "
                "of the same prepared data and the same trained folds."
            )
    return other


def _scans(run: runs.Run) -> list[str]:
    return sorted(scores.read(run.files.score)["oof"]["by_scan"])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else ", ".join(value)
    return text if len(text) < 200 else f"{text[:200]} ..."


def compare(
    dataset: layout.DatasetFiles, run: runs.Run, other: runs.Run
) -> dict[str, Any]:
    """Return the differences of two runs: in all, scan by scan and slice by slice.

    A difference is the other run's value minus the first one's: above 0 the other is
    better, except for distances.
    """
    table = slice_table.read(dataset)
    ranked = [
        {
            row["scan"]: row
            for row in examples.ranked(scores.read(each.files.score)["oof"])
        }
        for each in (run, other)
    ]
    rows = [_scan(ranked[0][scan], ranked[1][scan]) for scan in ranked[0]]
    rows.sort(key=lambda row: -(row["difference"] or 0.0))
    gains = [row["difference"] or 0.0 for row in rows]
    return {
        "run": run.name,
        "against": other.name,
        "cases": table[table["scan"].isin(ranked[0])]["case"].nunique(),
        "resamples": paired.RESAMPLES,
        "seed": paired.SEED,
        "differences": _differences(table, run, other),
        "better": sum(gain > 0 for gain in gains),
        "worse": sum(gain < 0 for gain in gains),
        "scans": rows,
        "slices": _slices(run, other),
    }


def _scan(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    known = one["score"] is not None and two["score"] is not None
    return {
        "scan": one["scan"],
        "first": one["score"],
        "other": two["score"],
        "difference": two["score"] - one["score"] if known else None,
        "dice": {
            name: [each["by_class"][name]["dice"] for each in (one, two)]
            for name in one["by_class"]
        },
    }


def _differences(
    table: "pd.DataFrame", run: runs.Run, other: runs.Run
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the differences of the scores out of fold, and of the nested ones."""
    by_scan = table.groupby("scan").agg(case=("case", "first"), depth=("id", "size"))
    depths, cases = by_scan["depth"].to_dict(), by_scan["case"].to_dict()
    found = {}
    for kind, read in (
        ("nested", scores.read_nested),
        ("oof", lambda path: scores.read(path)["oof"]),
    ):
        results = [read(each.files.score) for each in (run, other)]
        if None in results:
            continue
        numbers = [pooling.numbers(each, depths) for each in results if each]
        for each, of_scans in zip((run, other), numbers, strict=True):
            if not of_scans:
                raise ValueError(
                    f"{each.files.score}: no scores by scan that could be compared. "
                    f"Run `python -m competition score` for {each.name} again."
                )
        sums = [np.stack([*pooling.by_group(n, cases).values()]) for n in numbers]
        found[kind] = {
            name: each._asdict() for name, each in paired.bootstrap(*sums).items()
        }
    return found


def _slices(run: runs.Run, other: runs.Run) -> list[dict[str, Any]]:
    """Return the slices whose Dice differs most; first those where the other is better.

    A slice that a run leaves empty rightly counts as 1 for that run.
    """
    tables = [slice_scores.read(each.files) for each in (run, other)]
    if tables[0] is None or tables[1] is None:
        return []
    one, two = (
        each.set_index(_SCAN_COLUMNS)["dice"] for each in tables if each is not None
    )
    both = one.to_frame("first").join(two.to_frame("other"), how="outer").fillna(1.0)
    both["difference"] = both["other"] - both["first"]
    differing = both[both["difference"] != 0].sort_values(
        "difference", ascending=False, kind="stable"
    )
    gains = differing[differing["difference"] > 0].head(_SLICES)
    losses = differing[differing["difference"] < 0].tail(_SLICES)
    return [
        {str(key): value for key, value in row.items()}
        for part in (gains, losses)
        for row in part.reset_index().to_dict("records")
    ]


def write(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    other: runs.Run,
    compared: dict[str, Any],
) -> pathlib.Path:
    """Write the page of a comparison beside the report of the first run.

    Its viewer shows the scans that differ most.
    """
    known = [row for row in compared["scans"] if row["difference"] is not None]
    known.sort(key=lambda row: -abs(row["difference"]))
    titles = {row["scan"]: f"{row['scan']} · {row['difference']:+.4f}" for row in known}
    viewer = scans.of_both(dataset, run, other, titles)
    shown = [*titles][: len(viewer["scans"])] if viewer else []
    values = {
        **compared,
        "viewer": viewer,
        "opens": {scan: place for place, scan in enumerate(shown)},
        "words": words,
        "dots": html_page.class_names(run.classes),
        "drawing": _draw(compared),
        "changes": _changes(run.config, other.config),
    }
    path = run.files.root / f"against-{other.name}.html"
    files.write_text(path, html_page.render("against.html", values))
    return path


def _draw(compared: dict[str, Any]) -> charts.Drawing | None:
    """Draw the score of each scan in one run against that in the other."""
    known = [row for row in compared["scans"] if row["difference"] is not None]
    if not known:
        return None
    points = [(row["first"], row["other"]) for row in known]
    labels = [f"{row['scan']}, {row['difference']:+.4f}" for row in known]
    series = [charts.Series("scans", points, "curve0", joined=False, labels=labels)]
    # Both axes have the same limits, so that equal scores lie on the diagonal.
    values = [value for point in points for value in point]
    limits = min(values), max(values)
    names = "Scan by scan", compared["run"], compared["against"]
    return charts.draw(
        charts.Chart(*names, series, xlim=limits, ylim=limits, diagonal=True)
    )


def _changes(first: configs.Config, other: configs.Config) -> list[dict[str, str]]:
    """Return the keys in which two configs differ, in words."""
    one, two = (again.flat(each) for each in (first, other))
    return [
        {
            "key": key,
            "first": words.setting(one[key], key),
            "other": words.setting(two[key], key),
        }
        for key in one
        if one[key] != two[key]
    ]
