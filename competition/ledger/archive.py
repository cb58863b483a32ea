"""What is kept of an experiment: its folder in `submissions/`, its ledger entry."""

import dataclasses
import datetime
import hashlib
import pathlib
import shutil
import subprocess
import tempfile
from typing import Any

from competition import ledger
from competition.core import files
from competition.core.experiment import layout, runs


def find(experiment: str, work: pathlib.Path) -> layout.DatasetFiles:
    """The one prepared data set in `work` that has a run of this name."""
    configs = sorted(work.glob("*/runs/*/config.json"))
    found = [path for path in configs if path.parent.name == experiment]
    if not found:
        known = ", ".join(sorted({path.parent.name for path in configs}))
        raise ValueError(
            f"{work}: no run called {experiment!r}. Expected one of: "
            f"{known or 'none is there'}. Check the name and --work."
        )
    if len(found) > 1:
        names = ", ".join(path.parents[2].name for path in found)
        raise ValueError(
            f"{work}: {experiment!r} is a run on several data sets: {names}. "
            "Say which with --data."
        )
    return layout.DatasetFiles(found[0].parents[2])


def add(
    dataset: layout.DatasetFiles, run: runs.Run, *, submissions: pathlib.Path
) -> dict[str, Any]:
    """Copy what a scored run is judged by to `submissions`, and enter it in the ledger.

    An experiment that is there already is replaced. Its public and private score stay
    where the submission is the same, and are dropped where they would be another's.
    """
    if not run.files.score.is_file():
        raise ValueError(
            f"{run.files.score}: not found, the run is not scored yet. "
            "Run `python -m competition run` to its end first."
        )
    entries = ledger.read(submissions)
    entry = _entry(run)
    before = entries.get(entry.experiment)
    if before and before.submission == entry.submission:
        entry = dataclasses.replace(entry, public=before.public, private=before.private)
    folder = submissions / run.name
    _keep(dataset, run, folder)
    ledger.write(submissions, entries | {run.name: entry})
    return {"folder": str(folder), **dataclasses.asdict(entry)}


def revision(package: pathlib.Path = pathlib.Path(__file__).parents[1]) -> str:
    """The git revision of the code, `-dirty` where the code is not as committed.

    "unknown" outside a checkout, also where a checkout only holds an installed copy.
    """
    # A file that git does not track belongs to no revision of what lies around it.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown"
    # Only the package counts: the ledger, which is tracked too, changes at each entry.
    changed = _git(package, "status", "--porcelain", "--", ".")
    head = _git(package, "rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{head}-dirty" if changed else head


def _git(folder: pathlib.Path, *arguments: str) -> str | None:
    """What git says in a folder; None where it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _entry(run: runs.Run) -> ledger.Entry:
    score = files.read_json(run.files.score)["oof"]
    content = [
        path.read_bytes() if path.is_file() else b""
        for path in (run.files.submission, run.files.decision)
    ]
    decision = files.read_json(run.files.decision) if content[1] else {}
    return ledger.Entry(
        experiment=run.name,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        revision=revision(),
        fingerprint=run.fingerprint,
        folds=" ".join(map(str, runs.trained(run))),
        score_per_class=score["score_per_class"],
        score_merged=score["score_merged"],
        nested=(decision.get("nested") or {}).get("score"),
        public=None,
        private=None,
        submission=hashlib.sha256(repr(content).encode()).hexdigest()[:16],
    )


def _keep(dataset: layout.DatasetFiles, run: runs.Run, folder: pathlib.Path) -> None:
    """Replace the folder of an experiment, all of it or nothing."""
    from competition.core.pages import pictures

    if folder.exists() and not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder}: is there, and not of an experiment. Choose another name for "
            "the run (--name) or move the folder away."
        )
    sheet = pictures.contact_sheet(dataset, run, examples(run))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".adding-") as aside:
        made = pathlib.Path(aside) / "new"
        made.mkdir()
        place = run.files
        for path in (place.config, place.decision, place.score, place.submission):
            if path.is_file():
                shutil.copyfile(path, made / path.name)
        (made / "contact_sheet.png").write_bytes(sheet)
        if folder.exists():
            folder.rename(pathlib.Path(aside) / "old")
        made.rename(folder)


def examples(run: runs.Run) -> list[str]:
    """The worst, median and best scan; the first where none has a score."""
    score = files.read_json(run.files.score)["oof"]
    means = {}
    for scan, by_class in score["by_scan"].items():
        found = [values["score_per_class"] for values in by_class.values()]
        known = [value for value in found if value is not None]
        if known:
            means[scan] = sum(known) / len(known)
    ranked = sorted(means, key=lambda scan: means[scan]) or list(score["by_scan"])[:1]
    return list(dict.fromkeys(ranked[place] for place in (0, len(ranked) // 2, -1)))
