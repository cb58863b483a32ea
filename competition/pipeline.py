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
from competition.core import config, console, layout, runs

WORK = pathlib.Path("work")


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What the steps of one run work on."""

    data: pathlib.Path
    dataset: layout.Dataset
    run: runs.Run
    truth: pathlib.Path | None = None


def _validate(job: Job) -> dict[str, Any]:
    if not (job.data / "sample_submission.csv").is_file():
        console.note("validate: no sample_submission.csv to validate against")
        return {"ok": None}
    return validate_step.run(job.run.files.submission, data=job.data)


def _score(job: Job) -> dict[str, Any]:
    return score_step.of_run(job.dataset, job.run, data=job.data, truth=job.truth)


# After `prepare`, which makes the data set that a job needs.
STEPS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "train": lambda job: train_step.run(job.dataset, job.run),
    "predict": lambda job: predict_step.run(job.dataset, job.run),
    "decide": lambda job: decide_step.run(job.dataset, job.run),
    "submit": lambda job: submit_step.run(job.run, data=job.data),
    "validate": _validate,
    "score": _score,
    "report": lambda job: report_step.run(job.dataset, job.run),
}


def prepare(
    data: pathlib.Path,
    *,
    work: pathlib.Path = WORK,
    options: prepare_step.Options | None = None,
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
    wanted = config.load(experiment, overrides)
    name = name or config.find(experiment).stem
    return Job(data, dataset, runs.start(dataset, name, wanted), truth)


def run(
    experiment: str,
    *,
    data: pathlib.Path | str,
    work: pathlib.Path | str = WORK,
    options: prepare_step.Options | None = None,
    overrides: tuple[str, ...] = (),
    name: str | None = None,
    truth: pathlib.Path | None = None,
) -> dict[str, Any]:
    """Take every step from `prepare` to `report`; what is done is not done again."""
    data, work = pathlib.Path(data), pathlib.Path(work)
    config.load(experiment, overrides)
    results = {"prepare": prepare(data, work=work, options=options)}
    job = open_job(
        experiment, data=data, work=work, overrides=overrides, name=name, truth=truth
    )
    for step, take in STEPS.items():
        console.note(f"== {step}")
        results[step] = take(job)
    return results


def submit(
    run: pathlib.Path | str,
    *,
    data: pathlib.Path | str,
    out: pathlib.Path | str | None = None,
) -> dict[str, Any]:
    """Write the submission of the run in folder `run` for the test of `data`."""
    opened = runs.read(layout.Run(pathlib.Path(run)))
    return submit_step.run(
        opened, data=pathlib.Path(data), out=pathlib.Path(out) if out else None
    )
