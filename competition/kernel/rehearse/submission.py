"""The rehearsal of a submission, on the public data and on a test like the hidden one.

The public data, whose test is empty, is mounted as in older sessions. The hidden test
is mounted as in today's sessions.
"""

import dataclasses
import pathlib
from typing import Any

from competition import score, submit, validate
from competition.core import console
from competition.core.data import mask_csv
from competition.kernel import bundles
from competition.kernel.rehearse import jail, sessions


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """One rehearsal: its data, and the truth if it is known.

    `inputs` are folders by their path under /kaggle/input.
    """

    name: str
    data: pathlib.Path
    truth: pathlib.Path | None
    inputs: dict[str, pathlib.Path]


def rehearse(
    bundle: bundles.Bundle,
    data: pathlib.Path | None,
    truth: pathlib.Path | None,
    kaggle: sessions.Sessions,
) -> dict[str, dict[str, Any]]:
    """Run the kernel on both tests; return a verdict for each, with the score."""
    results = {}
    for stage in _stages(bundle, data, truth):
        script = bundle.built / "kernel" / "main.py"
        outcome, working = kaggle.run(stage.name, script, stage.inputs)
        results[stage.name] = _judge(stage, outcome, working / "submission.csv")
        console.note(results[stage.name]["verdict"])
    return results


def _stages(
    bundle: bundles.Bundle, data: pathlib.Path | None, truth: pathlib.Path | None
) -> list[Stage]:
    """Return the two rehearsals; a phantom replaces a hidden test that is missing."""
    if data and (data / "test").is_dir():
        hidden = data
    elif truth:
        raise ValueError(
            "`truth` is for a hidden test. Expected a folder `test` in `data`. "
            f"Received: {data or 'no `data`'}. Without `truth` a phantom is taken."
        )
    else:
        folder = sessions.make_phantom(bundle.work)
        hidden, truth = folder / "competition", folder / "solution.csv"
    view = bundle.folder / "rehearsal" / "data"
    public = sessions.without_test(data or hidden, view)
    about = bundle.metadata()
    (competition,), (dataset,) = about["competition_sources"], about["dataset_sources"]
    sent = bundle.folder / "dataset"
    old = {competition: public, dataset.partition("/")[2]: sent}
    new = {f"competitions/{competition}": hidden, f"datasets/{dataset}": sent}
    return [Stage("public", public, None, old), Stage("hidden", hidden, truth, new)]


def _judge(stage: Stage, outcome: jail.Outcome, path: pathlib.Path) -> dict[str, Any]:
    """Return the verdict on an outcome in Kaggle's words, with the reason."""
    verdict, why = sessions.failure(outcome) or ("Complete", None)
    rows = scores = None
    if verdict == "Complete" and not path.is_file():
        last = "\n".join(outcome.log.splitlines()[-30:])
        verdict = "Submission CSV Not Found"
        why = f"no {path.name} in /kaggle/working\n{last}"
    elif verdict == "Complete":
        checked = validate.run(path, data=stage.data)
        faults = [f"row {each['row']}: {each['fault']}" for each in checked["faults"]]
        if not checked["ok"]:
            verdict, why = "Submission Scoring Error", "; ".join(faults[:5])
        elif failure := submit.failure(path):
            verdict, why = "Complete, with masks missing", failure
        else:
            rows = len(mask_csv.read(path, "predicted"))
            if stage.truth:
                scores = score.of_submission(stage.truth, path, data=stage.data)
    return {
        "verdict": verdict,
        "why": why,
        "seconds": round(outcome.seconds, 1),
        "memory_gb": round(outcome.memory_gb, 2),
        "rows": rows,
        "score": scores,
    }
