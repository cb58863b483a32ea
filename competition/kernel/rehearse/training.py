"""The rehearsal of a training in two sessions. The first one is killed.

The experiment is cut to two folds of two epochs. Kaggle keeps the output of a session
that it ends; the next one finds it among its inputs, and must go on from there.
"""

import itertools
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from competition.core import console, files
from competition.core.data import images
from competition.core.experiment import blends, configs, history, layout
from competition.kernel import build, bundles
from competition.kernel.rehearse import jail, sessions

Runs = dict[str, layout.RunFiles]
FOLDS, EPOCHS = (0, 1), 2
_EPOCH = r"fold \w+: epoch \d+/"


def rehearse(
    bundle: bundles.Bundle,
    data: pathlib.Path | None,
    kaggle: sessions.Sessions,
    weights: Mapping[str, pathlib.Path],
) -> dict[str, dict[str, Any]]:
    """Kill the kernel after an epoch, and run it again; return a verdict for each.

    `weights` are folders to use in place of attached datasets and models.
    """
    whole = data or sessions.make_phantom(bundle.work) / "competition"
    public = sessions.without_test(whole, kaggle.folder / "data")
    script, sent = _shorten(bundle, public, kaggle.folder, weights)
    about = bundle.metadata()
    (competition,), dataset = about["competition_sources"], about["dataset_sources"][0]
    old = {competition: public, dataset.partition("/")[2]: sent}
    old |= {handle.partition("/")[2]: path for handle, path in weights.items()}
    outcome, first = kaggle.run("killed", script, old, until=_EPOCH)
    results = {"killed": _judge_killed(outcome, _runs(first, sent))}
    console.note(results["killed"]["verdict"])
    if results["killed"]["why"]:
        return results
    new = {
        f"competitions/{competition}": public,
        f"datasets/{dataset}": sent,
        f"notebooks/{about['id']}": first,
    }
    for handle, path in weights.items():
        kind = "datasets" if handle.count("/") == 1 else "models"
        new[f"{kind}/{handle}"] = path
    outcome, second = kaggle.run("resumed", script, new)
    results["resumed"] = _judge_resumed(
        outcome,
        *(_runs(working, sent) for working in (first, second)),
        report=layout.RunFiles(second / "runs" / bundle.name).report,
    )
    console.note(results["resumed"]["verdict"])
    return results


def _runs(working: pathlib.Path, sent: pathlib.Path) -> Runs:
    """Return the files of each run that the kernel trains, below /kaggle/working."""
    names = files.read_json(sent / "manifest.json")["trained"]
    return {name: layout.RunFiles(working / "runs" / name) for name in names}


def _shorten(
    bundle: bundles.Bundle,
    data: pathlib.Path,
    folder: pathlib.Path,
    weights: Mapping[str, pathlib.Path],
) -> tuple[pathlib.Path, pathlib.Path]:
    """Return copies of the kernel's script and of its dataset, for a short training."""
    sent, script = folder / "dataset", folder / "main.py"
    shutil.copytree(bundle.folder / "dataset", sent)
    manifest = files.read_json(sent / "manifest.json")
    toml, overrides = str(sent / manifest["experiment"]), manifest["overrides"]
    manifest["overrides"] = _cut(toml, tuple(overrides))
    manifest["weights"] = [_at_hand(e, weights) for e in manifest["weights"]]
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


def _at_hand(
    entry: dict[str, Any], weights: Mapping[str, pathlib.Path]
) -> dict[str, Any]:
    """Return an entry of the manifest's weights; "none" replaces weights not here."""
    if "file" in entry or entry.get("source") in weights:
        return entry
    if "source" in entry:
        console.warn(
            f"{entry['run']}: the rehearsal trains without the weights of "
            f"{entry['source']}, for which `weights` gives no folder."
        )
    return {"run": entry["run"], "value": "none"}


def _cut(toml: str, overrides: tuple[str, ...]) -> list[str]:
    """Return the overrides that shorten a training and those of its members."""
    cut = [
        *overrides,
        f"folds={list(FOLDS)}",
        "rules=none",
        # A rehearsal downloads nothing.
        "model.encoder_weights=none",
    ]
    members = blends.load(toml, overrides)
    for name, config in {"": configs.load(toml, overrides), **members}.items():
        prefix = f"{name}:" if name else ""
        for key in ("swa_epochs", "freeze_epochs"):
            epochs = min(getattr(config.training, key), EPOCHS - 1)
            cut.append(f"{prefix}training.{key}={epochs}")
        cut.append(f"{prefix}training.epochs={EPOCHS}")
    return cut


def _fit_folds(sent: pathlib.Path, data: pathlib.Path) -> None:
    """Assign the cases of `data` to folds in turn, if the dataset's do not fit them."""
    known = dict(line.split(",") for line in _lines(sent / "folds.csv")[1:])
    cases = sorted({image.case for image in images.find(data, "train")})
    here = {known.get(str(case)) for case in cases}
    if here == set(known.values()):
        return
    rows = [f"{case},{index % len(FOLDS)}\n" for index, case in enumerate(cases)]
    files.write_text(sent / "folds.csv", "case,fold\n" + "".join(rows))
    files.write_text(sent / "faulty.txt", "none\n")


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _judge_killed(outcome: jail.Outcome, runs: Runs) -> dict[str, Any]:
    if outcome.stopped == "told":
        verdict, why = "Killed After An Epoch", None
        if not any(any(each.values()) for each in _epochs(runs).values()):
            why = "its output holds no epoch to go on from"
    else:
        verdict, why = sessions.failure(outcome) or (
            "Complete", "it ended before an epoch was over and it could be killed"
        )  # fmt: skip
    return _result(verdict, why, outcome, runs)


def _judge_resumed(
    outcome: jail.Outcome, first: Runs, runs: Runs, *, report: pathlib.Path
) -> dict[str, Any]:
    """Return the verdict; the epochs of the first session must be there unchanged.

    An epoch has the seconds that it took, so one that was trained again differs.
    """
    verdict, why = sessions.failure(outcome) or ("Complete", None)
    for (name, run), fold in itertools.product(runs.items(), FOLDS):
        which = f"{name}, fold {fold}"
        before = history.read(first[name].history(fold))
        after = history.read(run.history(fold))
        if not why and after[: len(before)] != before:
            verdict, why = "Began Anew", f"{which} did not go on from its state"
        if not why and not (len(after) == EPOCHS and run.weights(fold).is_file()):
            verdict, why = "Not Finished", f"{which} has {len(after)} epochs"
    if not why and not report.is_file():
        verdict, why = "Not Finished", "no report was written"
    return _result(verdict, why, outcome, runs)


def _result(
    verdict: str, why: str | None, outcome: jail.Outcome, runs: Runs
) -> dict[str, Any]:
    paths = itertools.chain(*(run.root.rglob("*") for run in runs.values()))
    kept = sum(each.stat().st_size for each in paths if each.is_file())
    return {
        "verdict": verdict,
        "why": why,
        "seconds": round(outcome.seconds, 1),
        "memory_gb": round(outcome.memory_gb, 2),
        "kept_gb": round(kept / 1e9, 3),
        "epochs": _epochs(runs),
    }


def _epochs(runs: Runs) -> dict[str, dict[int, int]]:
    """Return the number of finished epochs of each run and fold."""
    return {
        name: {fold: len(history.read(run.history(fold))) for fold in FOLDS}
        for name, run in runs.items()
    }
