"""Step 8: write one self-contained HTML page about a run."""

import pathlib
from typing import Any, Literal

from competition.core import files, rules, scores
from competition.core.data import slice_table
from competition.core.experiment import history, layout, runs
from competition.core.pages import examples, html_page, pictures
from competition.report import scans

CURVES: dict[Literal["loss", "score"], str] = {
    "loss": "Training loss",
    "score": "Held-out score",
}
INKS = {"light": "#4a5160", "dark": "#b4bcc9"}

Histories = dict[layout.Fold, list[history.Epoch]]


def run(
    dataset: layout.DatasetFiles, run: runs.Run, *, pages: bool = False
) -> dict[str, Any]:
    """Write the page of a scored run; a page of the same results is left as it is.

    With `pages` every held-out scan gets a page of its own in scans/ beside it.
    """
    files.require(run.files.decision, "decide")
    files.require(run.files.score, "run")
    with runs.held(run, doing="reporting", dataset=dataset):
        path, key = run.files.report, _key(dataset, run)
        if not (path.is_file() and key.encode() in path.read_bytes()):
            files.write_text(path, _render(dataset, run, key))
        written = {"report": str(path)}
        if pages:
            ranked = examples.ranked(scores.read(run.files.score)["oof"])
            folder = run.files.root / "scans"
            written["scans"] = str(scans.write_pages(dataset, run, ranked, folder))
    return written


def _key(dataset: layout.DatasetFiles, run: runs.Run) -> str:
    """Return a digest of all files that the page is made from."""
    parts = [run.files.config, run.files.decision, run.files.score, dataset.slices]
    parts += [run.files.history(fold) for fold in run.config.folds]
    parts += [*sorted(pathlib.Path(__file__).parent.glob("*.py"))]
    parts += html_page.templates()
    contents = [path.read_bytes() if path.is_file() else b"" for path in parts]
    return files.digest(repr(contents), 64)


def _render(dataset: layout.DatasetFiles, run: runs.Run, key: str) -> str:
    scored = scores.read(run.files.score)
    ranked = {name: examples.ranked(result) for name, result in scored.items()}
    members = run.config.members
    class_rules = rules.read(run.files.decision, run.classes, members)
    histories = {k: history.read(run.files.history(k)) for k in run.config.folds}
    config = run.config.model_dump(mode="json")
    # Each table of the config has a card of its own, the other keys share one.
    tables = {k: config.pop(k) for k, v in [*config.items()] if isinstance(v, dict)}
    values = {
        "key": key,
        "run": run,
        "dataset": dataset.root.name,
        "dots": html_page.class_names(run.classes),
        "scores": scored,
        "viewer": scans.embedded(dataset, run, ranked["oof"]),
        "ranked": ranked,
        "rules": rules.to_json(class_rules, run.classes, members)["rules"],
        "curves": _curves(histories),
        "calibration": scored["oof"].get("calibration"),
        "reliability": _reliability(scored["oof"]),
        "examples": [
            {**row, "word": word, "pictures": _pictures(dataset, run, row["scan"])}
            for word, row in examples.chosen(ranked.get("oof", []))
        ],
        "keep": run.config.training.keep,
        "folds": _folds(slice_table.read(dataset), histories),
        "settings": {"run": config} | tables,
    }
    return html_page.render("report.html", values)


def _pictures(
    dataset: layout.DatasetFiles, run: runs.Run, scan: str
) -> list[dict[str, Any]]:
    drawn = []
    for shown in pictures.choose(dataset, run, scan):
        png = html_page.embed(pictures.slice(shown, len(run.classes)))
        drawn.append({"number": shown.number, "png": png})
    return drawn


def _curves(histories: Histories) -> list[dict[str, str]]:
    """Draw the curves of all folds, each for a light and for a dark page."""
    drawn = []
    for column, title in CURVES.items():
        points = {k: history.points(rows, column) for k, rows in histories.items()}
        lines = {f"fold {k}": values for k, values in points.items() if values}
        if lines:
            looks = {
                look: html_page.embed(pictures.curves(lines, xlabel="epoch", ink=ink))
                for look, ink in INKS.items()
            }
            drawn.append({"title": title, **looks})
    return drawn


def _reliability(oof: scores.Scores) -> dict[str, str]:
    """Draw the reliability curves of all classes, for a light and for a dark page."""
    points = {
        name: [(point["probability"], point["share"]) for point in values["curve"]]
        for name, values in oof.get("calibration", {}).items()
    }
    return {
        look: html_page.embed(pictures.reliability(points, ink=ink))
        for look, ink in INKS.items()
        if points
    }


def _folds(table: Any, histories: Histories) -> list[dict[str, Any]]:
    """Return a row for each fold: the data that it holds out, and its training."""
    rows = []
    for fold in sorted(table["fold"].unique()):
        held_out = slice_table.held_out(table, fold)
        epochs = histories.get(fold, [])
        rows.append(
            {
                "fold": fold,
                "cases": held_out["case"].nunique(),
                "scans": held_out["scan"].nunique(),
                "slices": len(held_out),
                "epochs": len(epochs),
                "seconds": sum(row["seconds"] for row in epochs),
                "scores": history.scores(epochs),
            }
        )
    return rows
