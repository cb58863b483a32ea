"""The ledger: the experiments worth keeping, and their scores on the leaderboard."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from competition.core import files, locks, scores
from competition.core.data import slice_table
from competition.core.experiment import layout, runs
from competition.ledger import archive, table


def add(
    experiment: str,
    *,
    work: pathlib.Path,
    submissions: pathlib.Path,
    data: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Copy the results of a scored run to `submissions`, and enter it in the ledger.

    An experiment that is in the ledger already is replaced. Without `data`, only one
    data set in `work` may have a run of this name.
    """
    dataset = layout.find(experiment, work, data)
    run = runs.read(dataset.run(experiment))
    _check_scored(dataset, run)
    entry = archive.entry(run)
    folder = archive.keep(dataset, run, submissions)
    # Drawing took seconds, in which another process may have entered a score.
    with locks.locked(submissions / "ledger.csv", doing="entering"):
        now = table.read(submissions)
        entry = _scored(entry, now.get(run.name))
        table.write(submissions, now | {run.name: entry})
    return {"folder": str(folder), **_shown(entry)}


def _scored(entry: table.Entry, before: table.Entry | None) -> table.Entry:
    """Return an entry with the earlier one's scores, if its submission is the same."""
    if before is None or before.submission != entry.submission:
        return entry
    return dataclasses.replace(entry, public=before.public, private=before.private)


def _check_scored(dataset: layout.DatasetFiles, run: runs.Run) -> None:
    """Refuse scores by other rules, or of other scans than the trained folds hold out.

    Older versions kept no digest of the rules.
    """
    runs.check_data(run, dataset)
    decision = scores.read_decision(run.files.score)
    if decision not in (None, files.file_digest(run.files.decision)):
        raise ValueError(
            f"{run.files.score}: expected scores by the present rules, received those "
            "by earlier ones. Run the step `score` again."
        )
    folds = runs.trained_folds(run)
    held_out = slice_table.held_out_scans(slice_table.read(dataset), folds)
    scored = scores.read(run.files.score)["oof"]["by_scan"]
    if scored.keys() != set(held_out):
        raise ValueError(
            f"{run.files.score}: expected scores of the {len(held_out)} scans that the "
            f"folds {', '.join(map(str, folds))} hold out, received those of "
            f"{len(scored)}. Run the steps `predict`, `decide` and `score` again."
        )


def set_scores(
    experiment: str,
    *,
    submissions: pathlib.Path,
    public: float | None = None,
    private: float | None = None,
    submission: str | None = None,
) -> dict[str, Any]:
    """Enter the leaderboard's scores of an experiment; None leaves a score as it is.

    If `submission` is given, the entry must still have it, see `check_added`: another
    one may have been added since.
    """
    both = {"public": public, "private": private}
    given: dict[str, Any] = {k: v for k, v in both.items() if v is not None}
    if not given:
        raise ValueError("No score to set. Pass `public` or `private`, or both.")
    for board, score in given.items():
        if not 0 <= score <= 1:
            raise ValueError(f"`{board}` must lie between 0 and 1. Received: {score}.")
    path = submissions / "ledger.csv"
    with locks.locked(path, doing="entering"):
        entries = table.read(submissions)
        if experiment not in entries:
            raise ValueError(
                f"{path}: no experiment {experiment!r}. Expected one of: "
                f"{', '.join(entries) or 'none yet'}. Run `ledger add` first."
            )
        if submission not in (None, entries[experiment].submission):
            raise ValueError(
                f"{path}: {experiment} is another submission by now than the one that "
                f"scored {given}, so they are not entered."
            )
        entry = dataclasses.replace(entries[experiment], **given)
        table.write(submissions, entries | {experiment: entry})
    return _shown(entry)


def show(submissions: pathlib.Path) -> dict[str, Any]:
    """Return all entries, and how each reading relates to each leaderboard.

    The `lines` are those of the medals; each entry has the one that it `reaches`.
    """
    entries = list(table.read(submissions).values())
    relations = [
        relation(entries, reading, board)
        for board in table.BOARDS
        for reading in table.READINGS
    ]
    lines = [{"line": name, "private": least} for name, least in table.LINES.items()]
    experiments = [*map(_shown, entries)]
    return {"experiments": experiments, "lines": lines, "relations": relations}


def reaches(private: float | None) -> str | None:
    """Return the highest line that a private score reaches, or None."""
    if private is None:
        return None
    reached = (name for name, least in table.LINES.items() if private >= least)
    return next(reached, None)


def _shown(entry: table.Entry) -> dict[str, Any]:
    return {**dataclasses.asdict(entry), "reaches": reaches(entry.private)}


def check_added(run: runs.Run, submissions: pathlib.Path) -> str:
    """Refuse a run whose present rules and submission the ledger does not have.

    Return their digest.
    """
    entry, own = table.read(submissions).get(run.name), archive.submission(run)
    if entry is None or entry.submission != own:
        raise ValueError(
            f"{submissions / 'ledger.csv'}: expected an entry of {run.name} as it is "
            f"decided now, received {'an earlier one' if entry else 'none'}. Run "
            f"`ledger add {run.name}` first, so that the score has a row."
        )
    return own


def relation(entries: list[table.Entry], reading: str, board: str) -> dict[str, Any]:
    """Compare a reading with a leaderboard: correlations, and the mean of board - ours.

    They are None if fewer than 3 experiments have both scores. The correlations are
    also None if all experiments have the same score.
    """
    pairs = [(getattr(entry, reading), getattr(entry, board)) for entry in entries]
    points = np.array([pair for pair in pairs if None not in pair], float)
    ours, leaderboard = points.reshape(-1, 2).T
    pearson = spearman = gap = None
    # Two points always lie on a line.
    if len(points) >= 3:
        gap = float((leaderboard - ours).mean())
        if np.ptp(ours) and np.ptp(leaderboard):
            from scipy import stats

            pearson = float(np.corrcoef(ours, leaderboard)[0, 1])
            spearman = float(stats.spearmanr(ours, leaderboard).statistic)
    return {
        "board": board,
        "reading": reading,
        "experiments": len(points),
        "pearson": pearson,
        "spearman": spearman,
        "mean_gap": gap,
    }
