"""A run: an experiment on a data set, and the config it was made with."""

import dataclasses
import hashlib
from typing import Any

from competition.core import config, files, layout


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What a run's config.json says, and where the run's files lie."""

    name: str
    files: layout.Run
    config: config.Config
    classes: tuple[str, ...]
    fingerprint: str


def start(dataset: layout.Dataset, name: str, wanted: config.Config) -> Run:
    """Open the run `name`, made now if it is new.

    A run keeps the config and the data that it began with; others are an error.
    """
    if not dataset.manifest.is_file():
        raise ValueError(
            f"{dataset.manifest}: not found. Run `python -m competition prepare` first."
        )
    manifest = files.read_json(dataset.manifest)
    wanted = _within(wanted, manifest["folds"], dataset)
    place = dataset.run(name)
    if not place.config.is_file():
        about = {
            "name": name,
            "classes": manifest["classes"],
            "fingerprint": manifest["fingerprint"],
            "config": wanted.model_dump(mode="json"),
        }
        files.write_json(place.config, about)
    run = read(place)
    _same(run, wanted, manifest)
    return run


def read(place: layout.Run) -> Run:
    """Read a run from its folder alone."""
    if not place.config.is_file():
        raise ValueError(
            f"{place.config}: not found. --run expects a run's folder, such as "
            "work/<dataset>/runs/<experiment>."
        )
    about: dict[str, Any] = files.read_json(place.config)
    return Run(
        name=about["name"],
        files=place,
        config=config.restore(about["config"], source=str(place.config)),
        classes=tuple(about["classes"]),
        fingerprint=about["fingerprint"],
    )


def trained(run: Run) -> list[int]:
    """The folds whose weights exist; none at all is an error."""
    folds = [fold for fold in run.config.folds if run.files.weights(fold).is_file()]
    if not folds:
        raise ValueError(
            f"{run.files.root}: no trained fold (expected {run.files.weights(0)} or "
            "another). Run `python -m competition train` first."
        )
    return folds


def digest(run: Run, fold: int) -> str:
    """The digest of a fold's weights: what was made by them is kept under it."""
    return hashlib.sha256(run.files.weights(fold).read_bytes()).hexdigest()


def _within(
    wanted: config.Config, count: int, dataset: layout.Dataset
) -> config.Config:
    """Keep the folds that the data has; it may have too few cases for all of them."""
    folds = tuple(fold for fold in wanted.folds if fold < count)
    if not folds:
        raise ValueError(
            f"{dataset.slices} has the folds 0 to {count - 1}, the experiment trains "
            f"{list(wanted.folds)}. Set `folds` within them."
        )
    return wanted.model_copy(update={"folds": folds})


def _same(run: Run, wanted: config.Config, manifest: dict[str, Any]) -> None:
    changed = config.differences(run.config, wanted)
    if changed:
        raise ValueError(
            f"{run.files.config} holds another config under this name:\n  "
            + "\n  ".join(changed)
            + "\nGo on under another one with --name OTHER."
        )
    if run.fingerprint != manifest["fingerprint"]:
        raise ValueError(
            f"{run.files.config} was made on other data or folds (fingerprint "
            f"{run.fingerprint}, now {manifest['fingerprint']}). Prepare as before, "
            "or go on under another name with --name OTHER."
        )
