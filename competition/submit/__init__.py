"""Step 5: write submission.csv for the test folder, scan by scan, all folds averaged.

On Kaggle this step runs once and nobody watches. Damaged data or a failing machine may
lose the masks of a slice or a scan, never the submission: a valid file is always
written in time. submit.log records each loss, and any other error with its traceback.
"""

import dataclasses
import pathlib
import time
from typing import Any

from rich import progress

from competition import cluster
from competition.core import console, files, locks
from competition.core.data import images
from competition.core.experiment import runs
from competition.machine import deadline
from competition.submit import (
    attended,
    event_log,
    guard,
    members,
    on_nodes,
    partial,
    prediction,
    reports,
    submission_file,
    test_folder,
    trial,
    watched_process,
)

Patience = watched_process.Patience
made_by = attended.made_by
predict_attended = attended.predict

# The share of the budget that is kept back for the work after the last scan.
RESERVE = 0.02
# Events whose cause may be gone at the next call, which then predicts anew. Damaged
# files are not among them: replacing one changes the key.
PASSING = {
    "network failed",
    "unreadable folder",
    "unreadable slice",
    # Logs of older versions, which may be continued, call "network failed" so.
    "model failed",
}
LOWERED = "effort lowered"
# A budget so many times as long as before may have time for more networks.
MORE = 1.1


@dataclasses.dataclass(frozen=True, slots=True)
class _Resources:
    """The time, and the processes or nodes, that predict a submission; see `run`."""

    limit: deadline.Deadline | None
    patience: Patience | None
    nodes: cluster.Cluster | None


def run(
    run: runs.Run,
    *,
    data: pathlib.Path,
    out: pathlib.Path | None = None,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
    patience: Patience | None = None,
    nodes: cluster.Cluster | None = None,
) -> dict[str, Any]:
    """Write the submission of a run for `data`, unless the same one lies there already.

    `budget` limits the time, such as "8h30m". If no network can be loaded, or no scan
    can be predicted, the file is written with empty masks before the error is raised.
    After an unexpected error it has the masks made until then. With `patience` a
    process of its own predicts: if it dies or hangs, only the scan or the network in
    work is lost, and a file with some masks is no error, since Kaggle scores it. With
    `nodes` such processes run on the nodes of a cluster.
    """
    limit = deadline.start(budget, clock, reserve=RESERVE)
    resources = _Resources(limit, patience, nodes)
    out = out or run.files.submission
    submission_file.check(data, out)
    held = runs.held(run, doing="submitting")
    with held, locks.locked(out, doing="submitting"):
        return _run(run, data, out, budget, resources)


def _run(
    run: runs.Run,
    data: pathlib.Path,
    out: pathlib.Path,
    budget: str | None,
    resources: _Resources,
) -> dict[str, Any]:
    folds = prediction.run_folds(run)
    class_rules, faults = prediction.usable_rules(run)
    test = test_folder.find(data, run.classes)
    inputs = prediction.made_by(run, folds, class_rules)
    state = test_folder.state(data, test)
    key = _key(inputs, test, state)
    # Beside the submission, since on Kaggle the folder of the run is read-only.
    log_path = submission_file.log_of(out)
    if as_before := _as_before(out, log_path, key, budget):
        return as_before
    part = partial.PartialSubmission(out.with_name(f".{out.name}.part"), key)
    log = event_log.EventLog(log_path, budget=budget, resume=bool(part.scans))
    # Some scans are of an earlier call, which had too little time for all networks.
    lowered_before = LOWERED in log.counts and gives_more(budget, log.budget_before)
    for fault in faults + test.faults:
        log.warn(fault.kind, fault.text)
    if not test.rows:
        console.note(f"{data} has no test: the submission is its header alone.")
    failure = _predict_scans(run, data, test.scans, part, log, resources)
    is_same = _is_unchanged(data, test, state, log)
    submission_file.write(out, test, part)
    if resources.patience and not resources.nodes and not test.rows:
        failure = trial.run(
            run, data, log=log, limit=resources.limit, patience=resources.patience
        )
    is_whole = part.scans.keys() >= test.scans.keys()
    summary = {
        "submission": str(out),
        "rows": len(test.rows),
        "scans": len(test.scans),
        "folds": sorted({fold for _, fold in folds}),
        "events": dict(log.counts),
        "failure": failure,
        "complete": is_same and is_whole and _is_final(failure, lowered_before, log),
        "budget": budget,
        "key": key,
        "digest": submission_file.digest(out),
    }
    if is_whole or not is_same:
        part.remove()
    log.finish(summary)
    if failure:
        _tell(failure, out, part, is_guarded=bool(resources.patience))
    return summary


def _key(
    inputs: tuple[Any, ...], test: test_folder.TestFolder, state: test_folder.State
) -> str:
    """Return a digest of what decides a submission: `inputs`, rows and test folder."""
    return files.digest(repr((*inputs, test.rows, state)))


def _is_final(
    failure: str | None, lowered_before: bool, log: event_log.EventLog
) -> bool:
    """Return whether the next call would predict the same, for all that is known."""
    return not (failure or lowered_before or PASSING & log.counts.keys())


def _tell(
    failure: str,
    out: pathlib.Path,
    part: partial.PartialSubmission,
    *,
    is_guarded: bool,
) -> None:
    """Raise an error about missing masks, or warn if a guarded submission has some."""
    missing = "some of its masks are missing" if part.scans else "it has no masks"
    text = f"{out} is written, but {missing}: {failure}"
    if not (is_guarded and part.scans):
        raise ValueError(text)
    # Kaggle scores no notebook that ends with an error, whatever it wrote.
    console.warn(text)


def _as_before(
    out: pathlib.Path, log_path: pathlib.Path, key: str, budget: str | None
) -> dict[str, Any] | None:
    """Return the summary of the submission at `out`, if it need not be made again."""
    earlier = event_log.read_summary(log_path)
    if earlier.get("key") != key or not earlier.get("complete"):
        return None
    is_lowered = LOWERED in earlier.get("events", {})
    if is_lowered and gives_more(budget, earlier.get("budget")):
        return None
    if not out.is_file() or earlier.get("digest") != submission_file.digest(out):
        return None
    return earlier | {"submission": str(out)}


def failure(out: pathlib.Path) -> str | None:
    """Return why a submission lacks masks, as its log says, or None."""
    summary = event_log.read_summary(submission_file.log_of(out))
    return summary.get("failure")


def gives_more(budget: str | None, before: str | None) -> bool:
    """Say whether a budget has time for more networks than an earlier one had.

    None means no limit. A budget that is a little longer does not count: `run` leaves
    other seconds to `submit` in every call.
    """
    if before is None or budget is None:
        return before is not None
    return deadline.parse(budget) > MORE * deadline.parse(before)


def _is_unchanged(
    data: pathlib.Path,
    test: test_folder.TestFolder,
    state: test_folder.State,
    log: event_log.EventLog,
) -> bool:
    """Return whether the test folder is as before it was read; if not, log an event."""
    if test_folder.state(data, test) == state:
        return True
    text = f"{data} changed, or was taken away, while it was read. Submit again."
    log.warn("test folder changed", text)
    return False


def _predict_scans(
    run: runs.Run,
    data: pathlib.Path,
    scans: dict[str, list[images.Image]],
    part: partial.PartialSubmission,
    log: event_log.EventLog,
    resources: _Resources,
) -> str | None:
    """Predict the scans that `part` lacks, and add their masks to it.

    Return why no scan, or not every scan, could be predicted, or None.
    """
    waiting = {name: scans[name] for name in scans if name not in part.scans}
    if not waiting:
        return None
    with progress.Progress(console=console.ERR) as bar:
        task = bar.add_task("submit", total=len(waiting))

        def finish(scan: str, masks: partial.EncodedMasks) -> None:
            try:
                part.add(scan, masks)
            except OSError as error:
                log.warn("part not kept", f"{scan}: {error}")
            bar.advance(task)

        tell = reports.Reports(log.warn, finish)
        try:
            _predict(run, data, waiting, tell, resources)
        except members.NoNetworkError as error:
            return str(error)
        except Exception as error:
            # A bug must not lose the masks that are already made.
            tell.failed("unexpected", f"the prediction failed: {error!r}", error)
            return f"{error!r}. {log.path} has its traceback."
    return None if part.scans else "no scan could be predicted; see its log."


def _predict(
    run: runs.Run,
    data: pathlib.Path,
    scans: dict[str, list[images.Image]],
    tell: reports.Reports,
    resources: _Resources,
) -> None:
    """Predict scans in this process, with `patience` in others, or on `nodes`."""
    limit, patience = resources.limit, resources.patience
    if nodes := resources.nodes:
        on_nodes.predict(run, data, scans, limit=limit, tell=tell, nodes=nodes)
    elif patience:
        guard.predict(run, data, scans, limit=limit, tell=tell, patience=patience)
    else:
        prediction.predict(run, data, scans, limit=limit, tell=tell)
