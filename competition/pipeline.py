"""Run the steps in their order; kernels and notebooks call these functions."""

import pathlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from competition import (
    cluster,
    decide,
    opening,
    predict,
    report,
    score,
    train,
    validate,
)
from competition import prepare as prepare_step
from competition import submit as submit_step
from competition.core import console, files, problems, storage
from competition.core.data import mask_csv
from competition.core.experiment import blends, layout, runs
from competition.core.pages import stills
from competition.machine import backend, deadline
from competition.study import auto, plan


def run(
    experiment: str,
    *,
    data: pathlib.Path | str,
    work: pathlib.Path | str = layout.WORK,
    options: prepare_step.PrepareOptions | None = None,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    truth: pathlib.Path | None = None,
    fold: layout.Fold | None = None,
    budget: str | None = None,
    png: bool = False,
    nodes: cluster.Cluster | None = None,
    clock: deadline.Clock = time.monotonic,
) -> dict[str, Any]:
    """Take every step from `prepare` to `report`; finished work is not repeated.

    The members and gates of an experiment are trained with it. The call ends after
    `train` if only one `fold` is asked for, if the `budget` was not enough for all
    folds, or if it left too little for the other steps: the next call continues there.
    `submit` gets the time that is left, but at least a tenth of the budget. The
    experiment "auto" is planned first. With `png` the report's contents are written as
    pictures too. With `nodes` these train the folds and predict the scans.
    """
    data, work = storage.mirrored(data), storage.mirrored(work)
    limit = deadline.start(budget, clock)
    # Predicting and deciding after training may need a tenth of the budget.
    reserve_seconds = 0.1 * deadline.parse(budget) if budget else 0.0
    _check(experiment, overrides, truth)
    results = {"prepare": prepare(data, work=work, options=options)}
    if experiment == auto.NAME:
        if limit is not None and not limit.allows(reserve_seconds):
            console.note("preparing used the budget up: the next call goes on")
            return results
        experiment = plan_auto(data, work=work, budget=deadline.budget(limit))
    dataset, opened = opening.open_training(
        experiment, data=data, work=work, overrides=overrides, name=name
    )
    preview = plan.preview(experiment, overrides, runs.prepared(dataset))
    results["train"] = trained = _train(
        dataset, opened, preview, fold=fold, limit=limit, nodes=nodes
    )
    is_over = limit is not None and not limit.allows(reserve_seconds)
    reason = _ends_here(opened, fold, is_trained=trained["finished"], is_over=is_over)
    if reason:
        console.note(reason)
        return results
    results |= _finish(
        dataset, opened, data=data, truth=truth, nodes=nodes,
        limit=limit, reserve_seconds=reserve_seconds,
    )  # fmt: skip
    if png:
        _draw(dataset, opened)
    return results


def _check(
    experiment: str, overrides: tuple[str, ...], truth: pathlib.Path | None
) -> None:
    """Raise the errors that need not wait for the minutes that preparing takes."""
    backend.check()
    if truth and not truth.is_file():
        raise ValueError(f"{truth}: no such file. Check the path of `truth`.")
    if experiment != auto.NAME:
        blends.load(experiment, overrides)


def _train(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    preview: Iterable[str],
    *,
    fold: layout.Fold | None,
    limit: deadline.Deadline | None,
    nodes: cluster.Cluster | None,
) -> dict[str, Any]:
    """Print what the training will take, and train in the time that is left."""
    console.note("== train")
    for line in preview:
        console.note(line)
    # Preparing took its share of the budget.
    left = deadline.budget(limit)
    return train.run(dataset, run, fold=fold, budget=left, nodes=nodes)


def _ends_here(
    run: runs.Run, fold: layout.Fold | None, *, is_trained: bool, is_over: bool
) -> str:
    """Return why a run ends after `train`, or "" if it goes on."""
    if not is_trained:
        return "training goes on with the next call"
    if fold is not None:
        return f"fold {fold} is trained; a call without `fold` goes on with the others"
    if is_over:
        return "the time is nearly over: the next call goes on with `predict`"
    if runs.lacks_rules(run):
        rules = run.config.rules
        return (
            f"this run takes the rules of {rules}, which has none yet: "
            f"run {rules} first"
        )
    return ""


def _draw(dataset: layout.DatasetFiles, run: runs.Run) -> None:
    """Draw a finished run; an error is only a warning, since all results are there."""
    try:
        stills.write(dataset, run)
    except Exception as error:
        console.warn(f"no pictures: {error}")


def _finish(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    data: pathlib.Path,
    truth: pathlib.Path | None,
    nodes: cluster.Cluster | None,
    limit: deadline.Deadline | None,
    reserve_seconds: float,
) -> dict[str, Any]:
    """Take the steps after training; return the result of each by its name."""

    def submitted() -> dict[str, Any]:
        left = f"{max(limit.left(), reserve_seconds):.0f}s" if limit else None
        return submit_step.run(run, data=data, budget=left, nodes=nodes)

    results = {}
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "predict": lambda: predict.run(dataset, run, nodes, limit=limit),
        "decide": lambda: decide.run(dataset, run),
        "submit": submitted,
        "validate": lambda: _validate(run.files.submission, data),
        "score": lambda: score.of_run(dataset, run, data=data, truth=truth),
        "report": lambda: report.run(dataset, run),
    }
    for step, take in steps.items():
        console.note(f"== {step}")
        results[step] = take()
        if results[step].get("left"):
            console.note("the time is over: predicting goes on with the next call")
            break
    return results


def prepare(
    data: pathlib.Path,
    *,
    work: pathlib.Path = layout.WORK,
    options: prepare_step.PrepareOptions | None = None,
    verify: bool = False,
) -> dict[str, Any]:
    """Prepare a competition folder; see `prepare.run`."""
    dataset = layout.dataset(data, work)
    return prepare_step.run(data, dataset, options=options, verify=verify)


def plan_auto(
    data: pathlib.Path,
    *,
    work: pathlib.Path = layout.WORK,
    budget: str | None = None,
) -> str:
    """Plan the experiment "auto" for data, and return its TOML's path.

    Data is prepared first, unless it is already; the folds of prepared data stay.
    """
    dataset = layout.dataset(data, work)
    if not files.exists(dataset.manifest):
        prepare(data, work=work)
    prepare_step.check_source(data, dataset)
    return str(auto.write_apart(dataset, budget))


def submit(
    run: pathlib.Path | str,
    *,
    data: pathlib.Path | str,
    out: pathlib.Path | str | None = None,
    budget: str | None = None,
    guarded: bool = False,
    nodes: cluster.Cluster | None = None,
) -> dict[str, Any]:
    """Write and validate the submission of the run in folder `run` for `data`.

    The call ends within the `budget`, such as "8h30m"; see `submit.run`. If it is
    `guarded`, a process that dies or hangs costs no more than a scan or a network. With
    `nodes` these predict the scans.
    """
    opened = runs.read(layout.RunFiles(storage.mirrored(run)))
    data = storage.mirrored(data)
    summary = submit_step.run(
        opened,
        data=data,
        out=pathlib.Path(out) if out else None,
        budget=budget,
        patience=submit_step.Patience() if guarded else None,
        nodes=nodes,
    )
    valid = _validate(pathlib.Path(summary["submission"]), data)["ok"]
    return {**summary, "valid": valid}


def _validate(path: pathlib.Path, data: pathlib.Path) -> dict[str, Any]:
    """Validate a submission if the sample has rows; warn of its faults.

    Faults are not raised: in a blind run a file with a faulty row is better than none.
    """
    sample = data / "sample_submission.csv"
    try:
        if not sample.is_file() or not mask_csv.read(sample, "predicted"):
            console.note("validate: sample_submission.csv has no rows to compare with")
            return {"ok": None}
        result = validate.run(path, data=data)
    except (ValueError, OSError) as error:
        console.warn(f"{path} cannot be validated: {error}")
        return {"ok": None}
    for fault in result["faults"][: problems.SHOWN]:
        console.warn(f"{path}, row {fault['row']}: {fault['fault']}")
    return result
