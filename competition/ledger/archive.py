"""The archive: for each kept experiment a folder in `submissions/`, and its entry."""

import datetime
import pathlib
import subprocess
import tempfile
from typing import NotRequired

import typing_extensions

from competition.core import files, scores
from competition.core.experiment import layout, runs
from competition.ledger import by_fold, table


def entry(run: runs.Run) -> table.Entry:
    """Return the entry of a run, without any score of the leaderboard."""
    score = scores.read(run.files.score)["oof"]
    return table.Entry(
        experiment=run.name,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        revision=revision(),
        fingerprint=run.fingerprint,
        folds=" ".join(map(str, runs.trained_folds(run))),
        score_per_class=score["score_per_class"],
        score_merged=score["score_merged"],
        nested=_nested(run.files.decision),
        public=None,
        private=None,
        submission=submission(run),
    )


def submission(run: runs.Run) -> str:
    """Return a digest of the submission of a run, and of the rules that made it.

    With the public data a submission is only its header, so the rules count as well.
    """
    content = [
        files.read_bytes(path) if path.is_file() else b""
        for path in (run.files.submission, run.files.decision)
    ]
    return files.digest(repr(content))


class _Nested(typing_extensions.TypedDict):
    score: float | None


class _Decision(typing_extensions.TypedDict):
    """The entry of decision.json that says what the rules score on other scans."""

    nested: NotRequired[_Nested]


def _nested(path: pathlib.Path) -> float | None:
    """Return the nested score of a decision; None if there is none."""
    if not path.is_file():
        return None
    decision: _Decision = files.read_json(path, _Decision)
    return decision["nested"]["score"] if "nested" in decision else None


def keep(
    dataset: layout.DatasetFiles, run: runs.Run, submissions: pathlib.Path
) -> pathlib.Path:
    """Write the folder of an experiment and return it; a failure leaves the old one."""
    from competition.core.pages import examples, pictures

    folder = submissions / run.name
    if folder.exists() and not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder}: exists, and is not the folder of an experiment. Choose another "
            "`name` for the run, or move the folder away."
        )
    scans = examples.scans(scores.read(run.files.score)["oof"])
    # A run that holds nothing out has no scans to show.
    sheet = pictures.contact_sheet(dataset, run, scans) if scans else None
    submissions.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=submissions, prefix=".adding-") as temporary:
        new = pathlib.Path(temporary) / "new"
        new.mkdir()
        kept = run.files
        for path in (kept.config, kept.decision, kept.score, kept.submission):
            if path.is_file():
                (new / path.name).write_bytes(files.read_bytes(path))
        by_fold.write(dataset, run, new)
        if sheet:
            (new / "contact_sheet.png").write_bytes(sheet)
        # A folder cannot replace one that is not empty, so the old one is moved first.
        old = pathlib.Path(temporary) / "old"
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    return folder


def revision(package: pathlib.Path = pathlib.Path(__file__).parents[1]) -> str:
    """Return the git revision of the code, with `-dirty` if files have changed.

    It is "unknown" outside a checkout, and for an installed copy inside another one.
    """
    # A file that git does not track is not part of the checkout around it.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown"
    # Only the package counts: the ledger is tracked too, and changes at each entry.
    changed = _git(package, "status", "--porcelain", "--", ".")
    head = _git(package, "rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{head}-dirty" if changed else head


def _git(folder: pathlib.Path, *arguments: str) -> str | None:
    """Return the output of git in a folder; None if git fails or is missing."""
    try:
        return subprocess.check_output(
            ["git", "-C", str(folder), *arguments],
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None
