"""The steps of a run in their order, and the calls that kernels and notebooks make."""

import dataclasses
import pathlib
import time
from typing import Any

from competition import decide as decide_step
from competition import predict as predict_step
from competition import prepare as prepare_step
from competition import report as report_step
from competition import score as score_step
from competition import submit as submit_step
from competition import train as train_step
from competition import validate as validate_step
from competition.core import console, problems
from competition.core.data import mask_csv
from competition.core.experiment import configs, layout, runs
from competition.machine import deadline

WORK = pathlib.Path("work")
# The share of a budget that predicting and deciding after training may need.
AFTER_TRAINING = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """The data and the run that the steps work on."""

    data: pathlib.Path
    dataset: layout.DatasetFiles
    run: runs.Run
    truth: pathlib.Path | None = None


def run(
    experiment: str,
    *,
    data: pathlib.Path | str,
    work: pathlib.Path | str = WORK,
    options: prepare_step.PrepareOptions | None = None,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    truth: pathlib.Path | None = None,
    fold: int | None = None,
    budget: str | None = None,
    clock: deadline.Clock = time.monotonic,
) -> dict[str, Any]:
    """Take every step from `prepare` to `report`; what is done is not done again.

    It ends after `train` where only one `fold` is asked for, or where the `budget` was
    not enough for all folds, or left too little for the other steps: the next call goes
    on from there. `submit` measures a budget of its own.
    """
    data, work = pathlib.Path(data), pathlib.Path(work)
    limit = deadline.start(budget, clock)
    reserve = AFTER_TRAINING * deadline.parse(budget) if budget else 0.0
    # An error in the experiment is told before the minutes that preparing takes.
    configs.load(experiment, overrides)
    results = {"prepare": prepare(data, work=work, options=options)}
    job = open_job(
        experiment, data=data, work=work, overrides=overrides, name=name, truth=truth
    )
    console.note("== train")
    # Preparing took its share of the budget.
    left = deadline.budget(limit)
    trained = train_step.run(job.dataset, job.run, fold=fold, budget=left)
    results["train"] = trained
    if fold is not None or not all(f["finished"] for f in trained["folds"].values()):
        console.note("training goes on with the next call")
        return results
    if limit and not limit.allows(reserve):
        console.note("the time is nearly over: the next call goes on with `predict`")
        return results
    console.note("== predict")
    results["predict"] = predict_step.run(job.dataset, job.run)
    console.note("== decide")
    results["decide"] = decide_step.run(job.dataset, job.run)
    console.note("== submit")
    results["submit"] = submit_step.run(job.run, data=data, budget=budget)
    console.note("== validate")
    results["validate"] = _validate(job.run.files.submission, data)
    console.note("== score")
    results["score"] = score_step.of_run(job.dataset, job.run, data=data, truth=truth)
    console.note("== report")
    results["report"] = report_step.run(job.dataset, job.run)
    return results


def prepare(
    data: pathlib.Path,
    *,
    work: pathlib.Path = WORK,
    options: prepare_step.PrepareOptions | None = None,
) -> dict[str, Any]:
    """Prepare a competition folder; see `prepare.run`."""
    return prepare_step.run(data, layout.dataset(data, work), options=options)


def open_job(
    experiment: str,
    *,
    data: pathlib.Path,
    work: pathlib.Path = WORK,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    truth: pathlib.Path | None = None,
) -> Job:
    """Open the run of an experiment on prepared data, made now if it is new."""
    dataset = layout.dataset(data, work)
    prepare_step.check_source(data, dataset)
    wanted = configs.load(experiment, overrides)
    name = name or configs.find(experiment).stem
    return Job(data, dataset, runs.start(dataset, name, wanted), truth)


def open_run(folder: pathlib.Path) -> tuple[layout.DatasetFiles, runs.Run]:
    """Open a run by its folder, which lies in that of its prepared data set."""
    run = runs.read(layout.RunFiles(folder))
    # Not resolved: on Kaggle the folder of a data set's runs is a link elsewhere.
    above = map(layout.DatasetFiles, folder.absolute().parents)
    dataset = next((d for d in above if d.manifest.is_file()), None)
    if dataset is None:
        raise ValueError(
            f"{folder}: no folder above holds a prepared data set (manifest.json). "
            "Expected a run's folder, such as work/<dataset>/runs/<experiment>."
        )
    return dataset, runs.start(dataset, run.name, run.config, run_files=run.files)


def search(
    experiment: str,
    *,
    data: pathlib.Path,
    work: pathlib.Path = WORK,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    trials: int | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Search better values for an experiment on prepared data; see `search.run`."""
    # Only here, since it loads Optuna.
    from competition.study import search as study

    limit = deadline.start(budget)
    plan = study.load(experiment, overrides)
    dataset = layout.dataset(data, work)
    prepare_step.check_source(data, dataset)
    return study.run(
        dataset,
        name or configs.find(experiment).stem,
        plan,
        train=train_step.watched,
        count=trials,
        limit=limit,
    )


def submit(
    run: pathlib.Path | str,
    *,
    data: pathlib.Path | str,
    out: pathlib.Path | str | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Write and validate the submission of the run in folder `run` for `data`.

    It ends within the `budget`, such as "8h30m"; see `submit.run`.
    """
    opened = runs.read(layout.RunFiles(pathlib.Path(run)))
    data = pathlib.Path(data)
    summary = submit_step.run(
        opened, data=data, out=pathlib.Path(out) if out else None, budget=budget
    )
    valid = _validate(pathlib.Path(summary["submission"]), data)["ok"]
    return {**summary, "valid": valid}


def _validate(path: pathlib.Path, data: pathlib.Path) -> dict[str, Any]:
    """Validate a submission where the sample has rows; warn of its faults.

    They are not raised: in a blind run a file with a faulty row is better than none.
    """
    sample = data / "sample_submission.csv"
    try:
        if not sample.is_file() or not mask_csv.read(sample, "predicted"):
            console.note("validate: sample_submission.csv has no rows to compare with")
            return {"ok": None}
        result = validate_step.run(path, data=data)
    except (ValueError, OSError) as error:
        console.warn(f"{path} cannot be validated: {error}")
        return {"ok": None}
    for fault in result["faults"][: problems.SHOWN]:
        console.warn(f"{path}, row {fault['row']}: {fault['fault']}")
    return result
