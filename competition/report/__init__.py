"""Step 8: write one self-contained HTML page about a run."""

import pathlib
from typing import Any

from competition.core import files, scores
from competition.core.experiment import layout, runs
from competition.core.pages import examples, html_page
from competition.report import against, benchmarks, page, scans

SUBMISSIONS = pathlib.Path("submissions")


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    submissions: pathlib.Path = SUBMISSIONS,
    pages: bool = False,
) -> dict[str, Any]:
    """Write the page of a scored run; a page of the same results is left as it is.

    The ledger in `submissions` has the leaderboard's scores of earlier runs. With
    `pages` every held-out scan gets a page of its own in scans/ beside it; the path of
    their index is returned as `pages`.
    """
    files.require(run.files.decision, "decide")
    files.require(run.files.score, "score")
    with runs.held(run, doing="reporting", dataset=dataset):
        path = run.files.report
        key = _key(dataset, run, submissions)
        if not (path.is_file() and key.encode() in files.read_bytes(path)):
            values = page.values(dataset, run, submissions)
            text = html_page.render("report.html", values | {"key": key})
            files.write_text(path, text)
        written = {"report": str(path)}
        if pages:
            ranked = examples.ranked(scores.read(run.files.score)["oof"])
            folder = run.files.root / "scans"
            written["pages"] = str(scans.write_pages(dataset, run, ranked, folder))
    return written


def compare(dataset: layout.DatasetFiles, run: runs.Run, other: str) -> dict[str, Any]:
    """Write a page that compares a scored run with another, by its name or folder.

    Returns the differences, with the path of the page as `comparison`.
    """
    with runs.held(run, doing="comparing", dataset=dataset):
        found = against.find(run, other)
        compared = against.compare(dataset, run, found)
        path = against.write(dataset, run, found, compared)
    return {"comparison": str(path), **compared}


def _key(dataset: layout.DatasetFiles, run: runs.Run, submissions: pathlib.Path) -> str:
    """Return a digest of all files that the page is made from."""
    parts = [run.files.config, run.files.decision, run.files.score, run.files.slices]
    parts += [dataset.slices, dataset.manifest, dataset.root / "audit" / "audit.json"]
    parts += [dataset.search(run.name).table]
    parts += [dataset.root.parent / name for name in benchmarks.FILES]
    for each in runs.members_and_gates(run):
        parts += [each.files.history(fold) for fold in each.config.folds]
    parts += [submissions / "ledger.csv", *html_page.templates()]
    parts += sorted(pathlib.Path(__file__).parent.glob("*.py"))
    contents = [files.read_bytes(path) if path.is_file() else b"" for path in parts]
    return files.digest(repr(contents), 64)
