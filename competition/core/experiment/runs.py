"""A run: an experiment on a data set, and the config it was made with."""

import dataclasses
import pathlib
from typing import Any

from competition.core import files
from competition.core.experiment import configs, layout


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What a run's config.json says, and where the run's files lie."""

    name: str
    files: layout.RunFiles
    config: configs.Config
    classes: tuple[str, ...]
    fingerprint: str


def start(
    dataset: layout.DatasetFiles,
    name: str,
    wanted: configs.Config,
    *,
    place: layout.RunFiles | None = None,
) -> Run:
    """Open the run `name`, made now if it is new; in another `place` than usual.

    A run keeps the config and the data that it began with; others are an error.
    """
    manifest = prepared(dataset)
    wanted = _within(wanted, manifest["folds"], dataset=dataset, name=name)
    place = place or dataset.run(name)
    if not place.config.is_file() or not _is_begun(place):
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


def prepared(dataset: layout.DatasetFiles) -> dict[str, Any]:
    """What `prepare` says about the data set; without it is an error."""
    if not dataset.manifest.is_file():
        raise ValueError(
            f"{dataset.manifest}: not found. Run `python -m competition prepare` first."
        )
    manifest: dict[str, Any] = files.read_json(dataset.manifest)
    return manifest


def _is_begun(place: layout.RunFiles) -> bool:
    """Whether anything was made with the run's config yet; else it may change."""
    made = (path for path in place.root.rglob("*") if path.is_file())
    # A lock says that somebody wanted to, no more.
    return any(path != place.config and path.suffix != files.LOCK for path in made)


def read(place: layout.RunFiles) -> Run:
    """Read a run from its folder alone."""
    if not place.config.is_file():
        raise ValueError(
            f"{place.config}: not found. --run expects a run's folder, such as "
            "work/<dataset>/runs/<experiment>."
        )
    about = files.read_json(place.config)
    wanted = ("name", "classes", "fingerprint", "config")
    if not isinstance(about, dict) or not about.keys() >= set(wanted):
        raise ValueError(
            f"{place.config}: expected the keys {', '.join(wanted)}, received "
            f"{str(about)[:60]}. Copy the run anew."
        )
    return Run(
        name=about["name"],
        files=place,
        config=configs.restore(about["config"], source=str(place.config)),
        classes=tuple(about["classes"]),
        fingerprint=about["fingerprint"],
    )


def members(run: Run) -> list[Run]:
    """The runs whose probabilities are averaged: a blend's members, or itself."""
    return [_beside(run, name) for name in run.config.members] or [run]


def gates(run: Run) -> list[Run]:
    """The runs that say in which slices a class is; usually none."""
    return [_beside(run, name) for name in run.config.gate]


def sources(run: Run) -> list[Run]:
    """All runs whose networks a run predicts with, each once."""
    return list({each.name: each for each in members(run) + gates(run)}.values())


def trained(run: Run) -> list[int]:
    """The folds whose weights exist; none at all is an error.

    Those of a blend's members and gates must be the same.
    """
    by_name = {each.name: _trained(each) for each in sources(run)}
    folds, *others = by_name.values()
    if any(other != folds for other in others):
        listed = ", ".join(f"{name} {each}" for name, each in by_name.items())
        raise ValueError(
            f"{run.files.root}: its runs are trained on different folds: {listed}. "
            "Train what is missing, so that all hold out the same scans."
        )
    return folds


def _trained(run: Run) -> list[int]:
    folds = [fold for fold in run.config.folds if run.files.weights(fold).is_file()]
    if not folds:
        raise ValueError(
            f"{run.files.root}: no trained fold (expected {run.files.weights(0)} or "
            "another). Run `python -m competition train` first."
        )
    return folds


def _beside(run: Run, name: str) -> Run:
    """The run `name` of the same data, whose folder lies beside that of `run`."""
    other = _open(run.files.root.parent / name, wanted_by=run.name)
    for what, its, ours in (
        ("data or folds (fingerprint)", other.fingerprint, run.fingerprint),
        ("classes", other.classes, run.classes),
    ):
        if its != ours:
            raise ValueError(
                f"The run {name} cannot go into {run.name}: it has other {what}, "
                f"{its}, not {ours}. Train it on the data prepared as for {run.name}."
            )
    return other


def _open(root: pathlib.Path, *, wanted_by: str) -> Run:
    place = layout.RunFiles(root)
    if not place.config.is_file():
        raise ValueError(
            f"{place.config}: not found. {wanted_by} is made of the run {root.name}, "
            f"whose folder must lie beside it. Run the experiment {root.name} first."
        )
    other = read(place)
    if other.config.members:
        raise ValueError(
            f"{wanted_by} is made of {root.name}, which is a blend itself. Name its "
            f"members instead: {', '.join(other.config.members)}."
        )
    return other


def digest(run: Run, fold: int) -> str:
    """The digest of a fold's own weights: what was made by them is kept under it."""
    return files.file_digest(run.files.weights(fold))


def _within(
    wanted: configs.Config, count: int, *, dataset: layout.DatasetFiles, name: str
) -> configs.Config:
    """Keep the folds that the data has; it may have too few cases for all of them.

    A blend trains none: its folds are those of its members.
    """
    if wanted.members:
        first = _open(dataset.run(wanted.members[0]).root, wanted_by=name)
        return wanted.model_copy(update={"folds": first.config.folds})
    folds = tuple(fold for fold in wanted.folds if fold < count)
    if not folds:
        raise ValueError(
            f"{dataset.slices} has the folds 0 to {count - 1}, the experiment trains "
            f"{list(wanted.folds)}. Set `folds` within them."
        )
    return wanted.model_copy(update={"folds": folds})


def _same(run: Run, wanted: configs.Config, manifest: dict[str, Any]) -> None:
    changed = configs.differences(run.config, wanted)
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
