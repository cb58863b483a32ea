"""Collect the files of a run that travel to Kaggle, without paths of this machine."""

import csv
import dataclasses
import io
import json
import pathlib
from typing import Any, Literal

from competition.core import files
from competition.core.experiment import configs, layout, runs
from competition.kernel import bundles

What = Literal["train", "submit"]


@dataclasses.dataclass(frozen=True, slots=True)
class BundleOptions:
    """The options of a build: a kernel that trains or submits, and its machine.

    `fold` and `sources` are for training: the one fold to train, and the ids of kernels
    whose outputs it continues. `budget`, such as "8h30m", ends the kernel in time;
    with None the kernel keeps its own.
    """

    what: What = "submit"
    fold: int | None = None
    budget: str | None = None
    overrides: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    as_notebook: bool = False
    machine: str = "NvidiaTeslaT4"


def collect(
    experiment: str, bundle: bundles.RunBundle, options: BundleOptions
) -> dict[str, bytes | pathlib.Path]:
    """Return the files beside wheel and manifest, by their path in the dataset."""
    if options.what == "submit" and (
        options.fold is not None or options.overrides or options.sources
    ):
        raise ValueError(
            "--fold, --set and --from are for --what train: a submission is of the run "
            "as it was trained and decided. Leave them out, or add --what train."
        )
    contents: dict[str, bytes | pathlib.Path] = dict(_split(bundle.dataset))
    if options.what == "train":
        toml = configs.find(experiment)
        _check_training(experiment, bundle, options)
        return contents | {toml.name: toml}
    if not bundle.run.config.is_file():
        raise ValueError(
            f"{bundle.run.root}: no such run. Run `python -m competition run "
            f"--experiment {bundle.experiment}` first, or say by --name which is meant."
        )
    run = runs.read(bundle.run)
    folds = runs.trained_folds(run)
    for source in [run, *runs.members_and_gates(run)]:
        folder = f"runs/{source.files.root.name}"
        contents[f"{folder}/config.json"] = _portable(source.files.config)
    for source in runs.members_and_gates(run):
        for fold in folds:
            path = source.files.weights(fold)
            contents[path.relative_to(bundle.dataset.root).as_posix()] = path
    if not bundle.run.decision.is_file():
        raise ValueError(
            f"{bundle.run.decision}: not found. Run `python -m competition decide` "
            "first."
        )
    decision = bundle.run.decision.relative_to(bundle.dataset.root).as_posix()
    return contents | {decision: bundle.run.decision}


def _split(dataset: layout.DatasetFiles) -> dict[str, bytes]:
    """Return folds.csv (case, fold) and faulty.txt, so that the kernel reuses both."""
    if not dataset.slices.is_file():
        raise ValueError(
            f"{dataset.slices}: not found. The folds travel with the bundle: run "
            "`python -m competition prepare` first."
        )
    with dataset.slices.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("case", "fold"))
    table.writerows(sorted({(int(row["case"]), int(row["fold"])) for row in rows}))
    faulty = sorted({row["scan"] for row in rows if row["faulty"] == "True"})
    # Kaggle takes no empty file, and no scan is called "none".
    listed = "".join(f"{scan}\n" for scan in faulty or ["none"])
    return {"folds.csv": text.getvalue().encode(), "faulty.txt": listed.encode()}


def _portable(path: pathlib.Path) -> bytes:
    """Return a config.json without the paths of this machine; inference reads none."""
    about = files.read_json(path)
    model = about["config"]["model"]
    if "encoder_weights" in model:
        model["encoder_weights"] = pathlib.PurePath(model["encoder_weights"]).name
    return _json(about)


def _check_training(
    experiment: str, bundle: bundles.RunBundle, options: BundleOptions
) -> None:
    """Raise where Kaggle cannot train it, or where the run has another config."""
    config = configs.load(experiment, options.overrides)
    if config.members:
        raise ValueError(
            f"{experiment} is a blend of {', '.join(config.members)}, which has "
            "nothing to train. Build a training of each of them."
        )
    if config.model.encoder_weights not in ("none", "imagenet"):
        raise ValueError(
            f"`model.encoder_weights` is {config.model.encoder_weights}, a file of "
            'this machine. Set it to "imagenet"; the kernel may then use the network.'
        )
    if options.fold is not None and options.fold not in config.folds:
        raise ValueError(
            f"--fold {options.fold} is not one of the experiment's folds "
            f"{list(config.folds)}. Choose one of them."
        )
    if bundle.run.config.is_file():
        runs.start(bundle.dataset, bundle.name, config)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
