"""Step 5: the test folder becomes submission.csv, scan by scan, all folds averaged.

It is made for a single blind run: what the data or the machine do to it costs the masks
of a slice or a scan, is told in submit.log, and a valid file comes out in time.
"""

import errno
import os
import pathlib
import time
from typing import Any

from competition.core import console, files, rules
from competition.core.data import mask_csv
from competition.core.experiment import runs
from competition.machine import deadline
from competition.submit import event_log, partial, test_folder

# Of the budget, for what comes after the last scan.
RESERVE = 0.02


def run(
    run: runs.Run,
    *,
    data: pathlib.Path,
    out: pathlib.Path | None = None,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> dict[str, Any]:
    """Write the submission of a run for `data`; the same one is not written twice.

    Within the `budget`, such as "8h30m". Where no model can be loaded, or no scan be
    predicted, the file is written all the same, with empty masks, before the error.
    """
    seconds = deadline.parse(budget) * (1 - RESERVE) if budget else None
    end = deadline.Deadline(seconds, clock) if seconds is not None else None
    out = out or run.files.submission
    if not data.is_dir():
        raise ValueError(f"{data}: no such folder. Check --data.")
    _check_out(out)
    folds = _folds(run)
    test = test_folder.look(data, run.classes)
    key = _key(run, test, data)
    # Beside the submission, for a run's folder on Kaggle cannot be written.
    log = out.with_name("submit.log")
    done = event_log.summary(log)
    if done.get("key") == key and done.get("complete"):
        if out.is_file() and done.get("digest") == _digest(out):
            return done
    kept = partial.PartialSubmission(out.with_name(f".{out.name}.part"), key)
    said = event_log.EventLog(log, go_on=bool(kept.done))
    said.warn_all(test.faults)
    if not test.wanted:
        console.note(f"{data} has no test: the submission is its header alone.")
    fault = _predict(run, data, test=test, kept=kept, said=said, end=end)
    rows = _fill(test.wanted, kept)
    _write(out, rows, kept)
    summary = {
        "submission": str(out),
        "rows": len(rows),
        "scans": len(test.scans),
        "folds": folds,
        "events": dict(said.counts),
        "complete": kept.done.keys() >= test.scans.keys(),
        "key": key,
        "digest": _digest(out),
    }
    if summary["complete"]:
        kept.remove()
    said.end(summary)
    if fault:
        which = "masks of this call" if kept.done else "masks"
        raise ValueError(f"{out} is written, but its {which} are empty: {fault}")
    return summary


def _check_out(out: pathlib.Path) -> None:
    """Refuse a file that cannot be written, before hours of work, not after them."""
    if out.is_dir():
        raise ValueError(
            f"{out}: expected the path of a file, received a folder. Give one in it "
            f"as --out, such as {out / 'submission.csv'}."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise ValueError(f"{out.parent} cannot be written to. Give another --out.")


def _folds(run: runs.Run) -> list[int]:
    """The folds of which any network is there."""
    folds = {
        fold
        for source in runs.sources(run)
        for fold in source.config.folds
        if source.files.weights(fold).is_file()
    }
    if not folds and not run.files.decision.is_file():
        runs.trained(run)
    # Before hours of work, not after them.
    rules.read(run.files.decision, run.classes)
    return sorted(folds)


def _predict(
    run: runs.Run,
    data: pathlib.Path,
    *,
    test: test_folder.TestFolder,
    kept: partial.PartialSubmission,
    said: event_log.EventLog,
    end: deadline.Deadline | None,
) -> str | None:
    """Predict the scans that are not done yet; say why none could be."""
    todo = {k: v for k, v in test.scans.items() if k not in kept.done}
    if not todo:
        return None
    from competition.submit import members, stages

    try:
        team = members.LoadedMembers(
            run, rules.read(run.files.decision, run.classes), said
        )
    except ValueError as error:
        return str(error)
    stages.ScanStages(data, team, run.classes, kept, said).run(todo, end)
    # Those of a killed run as well: the file has their masks.
    return None if kept.done else "no scan could be predicted; see submit.log."


def _fill(
    wanted: list[test_folder.RowKey], kept: partial.PartialSubmission
) -> list[mask_csv.Row]:
    """The rows in the wanted order; what has no prediction stays empty."""
    encoded = {pair: text for part in kept.done.values() for pair, text in part.items()}
    return [
        mask_csv.Row(line, id, name, encoded.get((id, name), ""))
        for line, (id, name) in enumerate(wanted, start=2)
    ]


def _write(
    out: pathlib.Path, rows: list[mask_csv.Row], kept: partial.PartialSubmission
) -> None:
    try:
        mask_csv.write(out, rows)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # A full disk has room for one of the two, and all parts are in memory.
        kept.remove()
        mask_csv.write(out, rows)


def _digest(out: pathlib.Path) -> str:
    return files.file_digest(out)[:16]


def _key(run: runs.Run, test: test_folder.TestFolder, data: pathlib.Path) -> str:
    """A digest of all that the submission depends on."""
    weights = [
        (source.name, fold, runs.digest(source, fold))
        for source in runs.sources(run)
        for fold in source.config.folds
        if source.files.weights(fold).is_file()
    ]
    made = (
        weights,
        run.files.decision.read_bytes(),
        test.wanted,
        test_folder.state(data, test),
    )
    return files.digest(repr(made))
