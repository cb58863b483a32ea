"""What of a run travels to Kaggle, and what of it has to be changed for that."""

import csv
import dataclasses
import io
import json
import pathlib
from typing import Any, Literal

from competition.core import files
from competition.core.experiment import configs, layout, runs
from competition.kernel import places

What = Literal["train", "submit"]


@dataclasses.dataclass(frozen=True, slots=True)
class BundleOptions:
    """What the kernel does, and on what.

    `fold` and `sources`, ids of kernels whose outputs are gone on from, are for
    training; `budget` (such as "8h30m") ends either in time, None is the kernel's own.
    """

    what: What = "submit"
    fold: int | None = None
    budget: str | None = None
    overrides: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    as_notebook: bool = False
    machine: str = "NvidiaTeslaT4"


def collect(
    experiment: str, place: places.BundlePlace, options: BundleOptions
) -> dict[str, bytes | pathlib.Path]:
    """What travels beside the wheel and the manifest, by its path in the dataset."""
    if options.what == "submit" and (
        options.fold is not None or options.overrides or options.sources
    ):
        raise ValueError(
            "--fold, --set and --from are for --what train: a submission is of the run "
            "as it was trained and decided. Leave them out, or add --what train."
        )
    contents: dict[str, bytes | pathlib.Path] = dict(_split(place.dataset))
    if options.what == "train":
        toml = configs.find(experiment)
        _check_training(experiment, place, options)
        return contents | {toml.name: toml}
    if not place.run.config.is_file():
        raise ValueError(
            f"{place.run.root}: no such run. Run `python -m competition run "
            f"--experiment {place.experiment}` first, or say by --name which is meant."
        )
    run = runs.read(place.run)
    folds = runs.trained(run)
    for each in [run, *runs.sources(run)]:
        folder = f"runs/{each.files.root.name}"
        contents[f"{folder}/config.json"] = _portable(each.files.config)
    for each in runs.sources(run):
        for fold in folds:
            path = each.files.weights(fold)
            contents[path.relative_to(place.dataset.root).as_posix()] = path
    if not place.run.decision.is_file():
        raise ValueError(
            f"{place.run.decision}: not found. Run `python -m competition decide` "
            "first."
        )
    decision = place.run.decision.relative_to(place.dataset.root).as_posix()
    return contents | {decision: place.run.decision}


def _split(dataset: layout.DatasetFiles) -> dict[str, bytes]:
    """folds.csv (case, fold) and faulty.txt, so that neither is made anew."""
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
    # Never empty: an empty file cannot be uploaded, and no scan is called so.
    listed = "".join(f"{scan}\n" for scan in faulty or ["none"])
    return {"folds.csv": text.getvalue().encode(), "faulty.txt": listed.encode()}


def _portable(path: pathlib.Path) -> bytes:
    """A config.json without the paths of this machine, which inference never reads."""
    about = files.read_json(path)
    model = about["config"]["model"]
    if "encoder_weights" in model:
        model["encoder_weights"] = pathlib.PurePath(model["encoder_weights"]).name
    return _json(about)


def _check_training(
    experiment: str, place: places.BundlePlace, options: BundleOptions
) -> None:
    """Refuse what cannot be trained there, or is another config than the run's."""
    wanted = configs.load(experiment, options.overrides)
    if wanted.members:
        raise ValueError(
            f"{experiment} is a blend of {', '.join(wanted.members)}, which has "
            "nothing to train. Build a training of each of them."
        )
    if wanted.model.encoder_weights not in ("none", "imagenet"):
        raise ValueError(
            f"`model.encoder_weights` is {wanted.model.encoder_weights}, a file of "
            'this machine. Set it to "imagenet"; the kernel may then use the network.'
        )
    if options.fold is not None and options.fold not in wanted.folds:
        raise ValueError(
            f"--fold {options.fold} is none of the experiment's folds "
            f"{list(wanted.folds)}. Choose one of them."
        )
    if place.run.config.is_file():
        runs.start(place.dataset, place.name, wanted)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
