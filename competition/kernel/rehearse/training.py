"""The rehearsal of a training, in two sessions, of which the first is killed.

The experiment is cut to two folds of two epochs. Kaggle keeps the output of a session
that it ends; the next one finds it among its inputs, and must go on from there.
"""

import pathlib
import shutil
from typing import Any

from competition.core import console, files
from competition.core.data import images
from competition.core.experiment import configs, history, layout
from competition.kernel import build, bundles
from competition.kernel.rehearse import jail, sessions

FOLDS, EPOCHS = (0, 1), 2
_EPOCH = r"fold \d+: epoch \d+/"


def rehearse(
    bundle: bundles.Bundle, data: pathlib.Path | None, kaggle: sessions.Sessions
) -> dict[str, dict[str, Any]]:
    """Kill the kernel after an epoch, and run it again; return a verdict for each."""
    whole = data or sessions.make_phantom(bundle.work) / "competition"
    public = sessions.without_test(whole, kaggle.folder / "data")
    script, sent = _shorten(bundle, public, kaggle.folder)
    about = bundle.metadata()
    (competition,), (dataset,) = about["competition_sources"], about["dataset_sources"]
    old = {competition: public, dataset.partition("/")[2]: sent}
    outcome, first = kaggle.run("killed", script, old, until=_EPOCH)
    results = {"killed": _judge_killed(outcome, _run(first, bundle))}
    console.note(results["killed"]["verdict"])
    if results["killed"]["why"]:
        return results
    new = {
        f"competitions/{competition}": public,
        f"datasets/{dataset}": sent,
        f"notebooks/{about['id']}": first,
    }
    outcome, second = kaggle.run("resumed", script, new)
    results["resumed"] = _judge_resumed(
        outcome, *(_run(p, bundle) for p in (first, second))
    )
    console.note(results["resumed"]["verdict"])
    return results


def _run(working: pathlib.Path, bundle: bundles.Bundle) -> layout.RunFiles:
    return layout.RunFiles(working / "runs" / bundle.name)


def _shorten(
    bundle: bundles.Bundle, data: pathlib.Path, folder: pathlib.Path
) -> tuple[pathlib.Path, pathlib.Path]:
    """Return copies of the kernel's script and of its dataset, for a short training."""
    sent, script = folder / "dataset", folder / "main.py"
    shutil.copytree(bundle.folder / "dataset", sent)
    manifest = files.read_json(sent / "manifest.json")
    toml, overrides = str(sent / manifest["experiment"]), manifest["overrides"]
    config = configs.load(toml, tuple(overrides))
    training = config.training
    manifest["overrides"] = [
        *overrides,
        f"folds={list(FOLDS)}",
        f"training.epochs={EPOCHS}",
        f"training.swa_epochs={min(training.swa_epochs, EPOCHS - 1)}",
        f"training.freeze_epochs={min(training.freeze_epochs, EPOCHS - 1)}",
        # Downloads are no part of it.
        "model.encoder_weights=none",
    ]
    _fit_folds(sent, data)
    for name, about in manifest["files"].items():
        about["sha256"] = files.file_digest(sent / name)
    files.write_json(sent / "manifest.json", manifest)
    code = (bundle.folder / "kernel" / "main.py").read_text("utf-8")
    digest = files.file_digest(sent / "manifest.json")[:16]
    files.write_text(
        script, build.set_constants(code, {"BUNDLE": digest, "FOLD": None})
    )
    return script, sent


def _fit_folds(sent: pathlib.Path, data: pathlib.Path) -> None:
    """Give the cases of `data` folds in turn, where the dataset's are of others."""
    known = {line.partition(",")[0] for line in _lines(sent / "folds.csv")}
    cases = sorted({image.case for image in images.find(data, "train")})
    if known.issuperset(map(str, cases)):
        return
    rows = [f"{case},{index % len(FOLDS)}\n" for index, case in enumerate(cases)]
    files.write_text(sent / "folds.csv", "case,fold\n" + "".join(rows))
    files.write_text(sent / "faulty.txt", "none\n")


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _judge_killed(outcome: jail.Outcome, run: layout.RunFiles) -> dict[str, Any]:
    if outcome.stopped == "told":
        verdict, why = "Killed After An Epoch", None
        if not any(_epochs(run).values()):
            why = "its output holds no epoch to go on from"
    else:
        verdict, why = sessions.failure(outcome) or (
            "Complete", "it ended before an epoch was over and it could be killed"
        )  # fmt: skip
    return _result(verdict, why, outcome, run)


def _judge_resumed(
    outcome: jail.Outcome, first: layout.RunFiles, run: layout.RunFiles
) -> dict[str, Any]:
    """Return the verdict; the epochs of the first session must be there unchanged.

    They hold the seconds that they took, so an epoch that was trained again differs.
    """
    verdict, why = sessions.failure(outcome) or ("Complete", None)
    for fold in FOLDS:
        before, after = (history.read(each.history(fold)) for each in (first, run))
        if not why and after[: len(before)] != before:
            verdict, why = "Began Anew", f"fold {fold} did not go on from its state"
        if not why and not (len(after) == EPOCHS and run.weights(fold).is_file()):
            verdict, why = "Not Finished", f"fold {fold} has {len(after)} epochs"
    if not why and not run.report.is_file():
        verdict, why = "Not Finished", "no report was written"
    return _result(verdict, why, outcome, run)


def _result(
    verdict: str, why: str | None, outcome: jail.Outcome, run: layout.RunFiles
) -> dict[str, Any]:
    kept = sum(each.stat().st_size for each in run.root.rglob("*") if each.is_file())
    return {
        "verdict": verdict,
        "why": why,
        "seconds": round(outcome.seconds, 1),
        "memory_gb": round(outcome.memory_gb, 2),
        "kept_gb": round(kept / 1e9, 3),
        "epochs": _epochs(run),
    }


def _epochs(run: layout.RunFiles) -> dict[int, int]:
    """Return the number of finished epochs of each fold."""
    return {fold: len(history.read(run.history(fold))) for fold in FOLDS}
