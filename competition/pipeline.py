"""The table of steps, and the two calls that kernels and notebooks make."""

import dataclasses
import pathlib
from collections.abc import Callable
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
from competition.study.search import space

WORK = pathlib.Path("work")
# Of a budget, what predicting and deciding after training may need.
AFTER_TRAINING = 0.1


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What the steps of one run work on."""

    data: pathlib.Path
    dataset: layout.DatasetFiles
    run: runs.Run
    truth: pathlib.Path | None = None
    fold: int | None = None
    budget: str | None = None


def _train(job: Job) -> dict[str, Any]:
    return train_step.run(job.dataset, job.run, fold=job.fold, budget=job.budget)


def _validate(path: pathlib.Path, data: pathlib.Path) -> dict[str, Any]:
    """Validate a submission where there is a sample; faults are warned of.

    Not raised: in a blind run a file with a faulty row is worth more than none.
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


def _score(job: Job) -> dict[str, Any]:
    return score_step.of_run(job.dataset, job.run, data=job.data, truth=job.truth)


# After `prepare`, which makes the data set that a job needs.
STEPS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "train": _train,
    "predict": lambda job: predict_step.run(job.dataset, job.run),
    "decide": lambda job: decide_step.run(job.dataset, job.run),
    "submit": lambda job: submit_step.run(job.run, data=job.data, budget=job.budget),
    "validate": lambda job: _validate(job.run.files.submission, job.data),
    "score": _score,
    "report": lambda job: report_step.run(job.dataset, job.run),
}


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
) -> dict[str, Any]:
    """Take every step from `prepare` to `report`; what is done is not done again.

    It ends after `train` where only one `fold` is asked for, or where the `budget` was
    not enough for all of them, or left too little for what follows: the next call goes
    on from there. `submit` measures a budget of its own.
    """
    data, work = pathlib.Path(data), pathlib.Path(work)
    seconds = deadline.parse(budget) if budget else 0.0
    limit = deadline.Deadline(seconds) if budget else None
    configs.load(experiment, overrides)
    results = {"prepare": prepare(data, work=work, options=options)}
    job = open_job(
        experiment, data=data, work=work, overrides=overrides, name=name, truth=truth
    )
    job = dataclasses.replace(job, fold=fold, budget=budget)
    for step, take in STEPS.items():
        console.note(f"== {step}")
        if step == "train" and limit:
            # Preparing took its share.
            left = f"{max(0, int(limit.left()))}s"
            results[step] = take(dataclasses.replace(job, budget=left))
        else:
            results[step] = take(job)
        if step == "train" and not _is_trained(job, results[step]):
            console.note("training goes on with the next call")
            break
        if step == "train" and limit and not limit.allows(AFTER_TRAINING * seconds):
            console.note(
                "the time is nearly over: the next call goes on with `predict`"
            )
            break
    return results


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
    limit = deadline.Deadline(deadline.parse(budget)) if budget else None
    plan = space.load(experiment, overrides)
    dataset = layout.dataset(data, work)
    prepare_step.check_source(data, dataset)
    # Only here, since it loads Optuna.
    from competition.study import search as study

    return study.run(
        dataset,
        name or configs.find(experiment).stem,
        plan,
        train=train_step.watched,
        count=trials,
        limit=limit,
    )


def _is_trained(job: Job, summary: dict[str, Any]) -> bool:
    finished = all(fold["finished"] for fold in summary["folds"].values())
    return finished and job.fold is None


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
