"""A built kernel run at home as Kaggle would run it, so that it fails here, not there.

It runs twice: on the public data, whose test is empty, with the mounts of older
sessions; and on a test like the hidden one, with the mounts of today.
"""

import dataclasses
import pathlib
import shutil
from typing import Any

from competition import score, validate
from competition.core import console, files
from competition.core.data import mask_csv
from competition.kernel import build, bundles
from competition.kernel.rehearse import environment, jail, mounts
from competition.sources import phantom

Limits = jail.Limits
IMAGE = build.ROOT / "kernels" / "kaggle-image.txt"


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """One rehearsal: its data, and the truth where it is known.

    `inputs` are folders by their path under /kaggle/input.
    """

    name: str
    data: pathlib.Path
    truth: pathlib.Path | None
    inputs: dict[str, pathlib.Path]


def run(
    bundle: bundles.Bundle,
    *,
    data: pathlib.Path | None = None,
    truth: pathlib.Path | None = None,
    python: pathlib.Path | None = None,
    limits: jail.Limits | None = None,
) -> dict[str, Any]:
    """Rehearse the submitting kernel of a run: {"ok", "python", "rehearsals", ...}.

    Without `data` a phantom is made; `python` is an environment to take as it is
    instead of making one with the versions of Kaggle's image.
    """
    folder = bundle.built / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    if python:
        used = environment.look_at(python)
    else:
        used = environment.make(IMAGE, bundle.work / "kernels")
    if not used.packages.get("tensorflow"):
        console.warn(f"{used.python} has no TensorFlow: rehearsing on JAX.")
    isolation, open_ends = jail.command()
    for each in open_ends:
        console.warn(f"not isolated: {each}.")
    script = (bundle.built / "kernel" / "main.py").resolve()
    results = {}
    for stage in _stages(bundle, data, truth):
        console.note(f"== rehearsal: {stage.name}")
        working = (folder / stage.name / "working").resolve()
        working.mkdir(parents=True)
        kernel = mounts.Kernel(script, stage.inputs, working, used)
        outcome = jail.run(kernel, limits or jail.Limits(), isolation)
        files.write_text(folder / stage.name / "log.txt", outcome.log)
        submission = working / "submission.csv"
        results[stage.name] = _judge(stage, outcome, submission)
        console.note(results[stage.name]["verdict"])
    return {
        "ok": all(each["verdict"] == "Complete" for each in results.values()),
        "python": used.version,
        "packages": used.packages,
        "not_isolated": open_ends,
        "rehearsals": results,
    }


def _stages(
    bundle: bundles.Bundle, data: pathlib.Path | None, truth: pathlib.Path | None
) -> list[Stage]:
    """Return the two rehearsals; a phantom replaces a hidden test that is missing."""
    if data and (data / "test").is_dir():
        hidden = data
    else:
        folder = bundle.work / "kernels" / "phantom"
        phantom.write(folder, small=True, seed=7)
        hidden, truth = folder / "competition", folder / "solution.csv"
    public = _without_test(data or hidden, bundle.folder / "rehearsal" / "data")
    about = bundle.metadata()
    (competition,), (dataset,) = about["competition_sources"], about["dataset_sources"]
    sent = bundle.folder / "dataset"
    old = {competition: public, dataset.partition("/")[2]: sent}
    new = {f"competitions/{competition}": hidden, f"datasets/{dataset}": sent}
    return [Stage("public", public, None, old), Stage("hidden", hidden, truth, new)]


def _without_test(data: pathlib.Path, view: pathlib.Path) -> pathlib.Path:
    """Return a folder of links to `data` without test and with a header-only sample."""
    view.mkdir(parents=True)
    for path in data.iterdir():
        if path.name not in ("test", "sample_submission.csv"):
            (view / path.name).symlink_to(path.resolve())
    (view / "sample_submission.csv").write_text("id,class,predicted\n", "utf-8")
    return view


def _judge(stage: Stage, outcome: jail.Outcome, path: pathlib.Path) -> dict[str, Any]:
    """Return the verdict on an outcome in Kaggle's words, with the reason."""
    verdict, why = _failure(outcome, path) or ("Complete", None)
    rows = scores = None
    if verdict == "Complete":
        checked = validate.run(path, data=stage.data)
        faults = [f"row {each['row']}: {each['fault']}" for each in checked["faults"]]
        if not checked["ok"]:
            verdict, why = "Submission Scoring Error", "; ".join(faults[:5])
        else:
            rows = len(mask_csv.read(path, "predicted"))
            if stage.truth:
                scores = score.run(stage.truth, path, data=stage.data)
    return {
        "verdict": verdict,
        "why": why,
        "seconds": round(outcome.seconds, 1),
        "memory_gb": round(outcome.memory_gb, 2),
        "rows": rows,
        "score": scores,
    }


def _failure(outcome: jail.Outcome, path: pathlib.Path) -> tuple[str, str] | None:
    """Return Kaggle's words and the reason where a kernel left no result, else None."""
    last = "\n".join(outcome.log.splitlines()[-30:])
    if outcome.stopped == "time":
        return "Notebook Timeout", f"stopped after {outcome.seconds:.0f} s\n{last}"
    if outcome.stopped == "memory":
        memory = f"stopped at {outcome.memory_gb:.1f} GB of memory"
        return "Notebook Exceeded Allowed Compute", f"{memory}\n{last}"
    if outcome.status != 0:
        full = "No space left on device" in outcome.log
        words = "Exceeded Allowed Compute" if full else "Threw Exception"
        return f"Notebook {words}", last
    if not path.is_file():
        return "Submission CSV Not Found", f"no {path.name} in /kaggle/working\n{last}"
    return None
