"""Search for better values of an experiment by training it again and again.

All trials are in the study, an SQLite file; a killed trial goes on where it stopped.
"""

import statistics
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from competition.core import console, locks
from competition.core.experiment import history, layout, runs, starting
from competition.machine import deadline, process
from competition.study.search import results, space, trials

# After this many failures in a row, the next trial would fail as well.
_FAILURES = 3

# Trains a fold to its end, to `limit`, or until `go_on` returns False; called as
# train(run, fold=0, limit=limit, go_on=go_on), as `train.watched` is.
Train = Callable[..., None]

load = space.load


def run(
    dataset: layout.DatasetFiles,
    name: str,
    plan: space.SearchPlan,
    *,
    train: Train,
    count: int | None = None,
    limit: deadline.Deadline | None = None,
    at_once: int = 1,
) -> dict[str, Any]:
    """Search until `count` trials have ended, by default as many as the plan says.

    Writes best.toml, trials.csv and trials.png. No trial begins that would not end
    before `limit`; a trial that `limit` stops goes on with the next call. `at_once`
    trials run side by side: each is drawn from the results of those that have ended.
    """
    runs.prepared(dataset)
    # A second search would think that the running trial of this one was killed.
    folder = dataset.search(name).root
    folder.mkdir(parents=True, exist_ok=True)
    with locks.locked(folder, doing="searching"):
        study = trials.Study(dataset, name, plan)
        wanted = count or plan.search.trials
        _search(study, wanted, train=train, limit=limit, at_once=at_once)
        results.draw(study)
        return results.write(study)


def _search(
    study: trials.Study,
    count: int,
    *,
    train: Train,
    limit: deadline.Deadline | None,
    at_once: int,
) -> None:
    """Run trials until `count` have ended or the time is over."""
    failures, is_over, stop = 0, False, threading.Event()
    running: dict[futures.Future[None], trials.RunningTrial] = {}
    with futures.ThreadPoolExecutor(at_once) as pool:
        try:
            while True:
                while len(running) < at_once and not is_over:
                    trial = _next(study, count, len(running), limit)
                    if trial is None:
                        break
                    work = pool.submit(_train, study, trial, train, limit, stop)
                    running[work] = trial
                if not running:
                    return
                for work in futures.wait(running, None, "FIRST_COMPLETED").done:
                    number = running.pop(work).begun.number
                    work.result()
                    last = study.result(number)
                    if last.state == "unfinished":
                        is_over = True
                        text = "stopped in time. Run the same again: it goes on."
                        console.note(f"trial {number} {text}")
                        continue
                    others = [each for each in study.ended() if each.number != number]
                    console.note(results.line([*others, last]))
                    results.write(study)
                    failures = failures + 1 if last.state == "failed" else 0
                    if failures == _FAILURES:
                        raise ValueError(
                            f"{study.files.root}: {failures} trials failed one after "
                            f"the other, the last with: {last.fault}"
                        )
        finally:
            stop.set()


def _next(
    study: trials.Study, count: int, running: int, limit: deadline.Deadline | None
) -> trials.RunningTrial | None:
    """Begin a trial; None if there are `count`, or if there is no time for another."""
    if len(ended := study.ended()) + running >= count:
        return None
    complete = [each for each in ended if each.state == "complete"]
    # The next trial may take 10 % longer than any before.
    longest = 1.1 * max((each.seconds for each in complete), default=0.0)
    if limit and not (limit.left() > 0 and limit.allows(longest)):
        console.note(f"{len(ended)} of {count} trials, no time for the next one")
        return None
    return study.ask()


def _train(
    study: trials.Study,
    trial: trials.RunningTrial,
    train: Train,
    limit: deadline.Deadline | None,
    stop: threading.Event,
) -> None:
    """Train the folds of a trial and end it; after `limit` or `stop` it stays open.

    Its score is the mean of the folds' scores; the first fold may prune it. Training is
    deterministic, so the same values as in an earlier trial are not trained again.
    """
    begun, complete = trial.begun, study.ended()
    twin = next(
        (t for t in complete if t.state == "complete" and t.values == begun.values),
        None,
    )
    if twin:
        console.note(f"trial {begun.number}: the values of trial {twin.number}")
        trial.end(twin.score, folder=twin.folder)
        return
    console.note(f"trial {begun.number}: {space.show(begun.values)}")
    try:
        score = _score(study, trial, train, limit, stop)
    except ValueError as error:
        # A full disk or a bucket that is down: the trial goes on with the next call.
        if isinstance(error, process.EndedError) and not error.status:
            raise
        trial.end(state="failed", fault=str(error))
    else:
        if score is not None:
            trial.end(score)


def _score(
    study: trials.Study,
    trial: trials.RunningTrial,
    train: Train,
    limit: deadline.Deadline | None,
    stop: threading.Event,
) -> float | None:
    """Return the mean score of the folds; None if a trial is pruned or unfinished."""
    plan, begun = study.plan, trial.begun
    config = space.change(plan, begun.values, source=f"trial {begun.number}")
    # A gate is trained separately, and chooses slices only from `decide` on.
    config = config.model_copy(update={"folds": plan.search.folds, "gate": ()})
    name = f"{study.files.root.name}/{begun.folder}"
    run_files = study.files.trial(begun.folder)
    run = starting.start(study.dataset, name, config, run_files=run_files)
    first = run.files.history(run.config.folds[0])
    scores = []
    for fold in run.config.folds:
        go_on = lambda: not stop.is_set() and trial.go_on(first)  # noqa: E731
        train(run, fold=fold, limit=limit, go_on=go_on)
        if stop.is_set():
            return None
        if not trial.go_on(first):
            trial.end(state="pruned")
            return None
        rows = history.read(run.files.history(fold))
        if not history.is_over(rows, run.config.training):
            return None
        if (score := history.kept(rows, run.config.training.keep)) is None:
            raise ValueError(
                f"{run.files.fold(fold)}: there is no score by which to compare "
                "trials. Expected held-out scans with masks. Choose other "
                "`search.folds`."
            )
        scores.append(score)
    return statistics.fmean(scores)
