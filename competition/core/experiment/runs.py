"""Runs: an experiment trained on a data set, with the config that made it."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import pydantic
import typing_extensions

from competition.core import files, locks
from competition.core.experiment import configs, layout


class _Record(typing_extensions.TypedDict):
    classes: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
    fingerprint: str
    config: dict[str, Any]


class Manifest(typing_extensions.TypedDict):
    """The entries of manifest.json that runs read about their data."""

    classes: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
    fingerprint: str
    folds: Annotated[int, pydantic.Field(ge=1)]
    slices: typing_extensions.NotRequired[int]
    sizes: typing_extensions.NotRequired[list[tuple[int, int]]]
    exclusive: typing_extensions.NotRequired[bool]
    unfinished: typing_extensions.NotRequired[bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The contents of a run's config.json, and the paths of the run's files.

    `name` is the name of the run's folder, so that a copied run has its own name.
    """

    name: str
    files: layout.RunFiles
    config: configs.Config
    classes: tuple[str, ...]
    fingerprint: str


def owner(run: Run, fold: layout.Fold) -> str:
    """Return the text that marks weights and state of a fold as made by this training.

    The text does not depend on the run's name or folder, on keys that are newer than
    the run, on keys that only prediction uses, or on where the scans are stored.
    """
    unused = {"input", "members", "gate", "rules", "decide", "submit"}
    config = configs.without_newer_defaults(run.config, exclude=unused)
    if path := config["model"].get("encoder_weights"):
        # On Kaggle the file lies in another folder.
        config["model"]["encoder_weights"] = pathlib.PurePath(path).name
    about = [run.classes, run.fingerprint, config]
    return f"fold {fold} of the training {files.digest(json.dumps(about))}"


@contextlib.contextmanager
def held(
    run: Run, *, doing: str, dataset: layout.DatasetFiles | None = None
) -> Iterator[None]:
    """Lock a run, its members and gates against steps in other processes.

    A `dataset` is locked against `prepare`; it must be the data of the run.
    """
    sources = [run, *members_and_gates(run)]
    roots = sorted({source.files.root.resolve() for source in sources})
    with contextlib.ExitStack() as stack:
        if dataset:
            stack.enter_context(locks.locked(dataset.root, doing=doing, shared=True))
            check_data(run, dataset)
        for root in roots:
            stack.enter_context(locks.locked(root, doing=doing))
        yield


def check_data(run: Run, dataset: layout.DatasetFiles) -> None:
    """Refuse data or a config that differs from what the run began with."""
    if read(run.files).config != run.config:
        raise ValueError(
            f"{run.files.config} was written by another process at the same time, with "
            "another config. Run this again, or continue under another `name`."
        )
    fingerprint = prepared(dataset)["fingerprint"]
    if run.fingerprint != fingerprint:
        raise ValueError(
            f"{run.files.config} was made on other data or folds (fingerprint "
            f"{run.fingerprint}, now {fingerprint}). Prepare as before, or continue "
            "under another `name`."
        )


def prepared(dataset: layout.DatasetFiles) -> Manifest:
    """Return the manifest that `prepare` wrote; a missing one is an error."""
    files.require(dataset.manifest, "prepare")
    manifest: Manifest = files.read_json(
        dataset.manifest, Manifest, remedy="Prepare the data again."
    )
    if manifest.get("unfinished"):
        raise ValueError(
            f"{dataset.root}: `prepare` did not come to its end, and some scans may "
            "have been made again. Run it again; repair what it names."
        )
    return manifest


def read(run_files: layout.RunFiles) -> Run:
    """Read a run from its folder alone."""
    path = run_files.config
    if not path.is_file():
        beside = sorted(run_files.root.parent.glob("*/config.json"))
        raise ValueError(
            f"{path}: not found. A run's folder is expected, such as "
            "work/<dataset>/runs/<experiment>. Runs beside it: "
            f"{', '.join(other.parent.name for other in beside) or 'none yet'}."
        )
    record: _Record = files.read_json(path, _Record, remedy="Copy the run again.")
    return Run(
        name=run_files.root.absolute().name,
        files=run_files,
        config=configs.check(record["config"], configs.Config, source=str(path)),
        classes=record["classes"],
        fingerprint=record["fingerprint"],
    )


def members(run: Run) -> list[Run]:
    """Return the runs to average: the members of a blend, or the run itself."""
    return [_sibling(run, name) for name in run.config.members] or [run]


def gates(run: Run) -> list[Run]:
    """Return the runs, if any, that decide which slices hold a class."""
    return [_sibling(run, name) for name in run.config.gate]


def members_and_gates(run: Run) -> list[Run]:
    """Return all runs whose networks `run` predicts with, each once."""
    return list({member.name: member for member in members(run) + gates(run)}.values())


def trained_folds(run: Run) -> list[layout.Fold]:
    """Return the folds that have weights; a run without any is an error.

    All members and gates of a run must have the same trained folds.
    """
    by_name = {}
    for member in members_and_gates(run):
        folds = [
            fold
            for fold in member.config.folds
            if files.exists(member.files.weights(fold))
        ]
        if not folds:
            raise ValueError(
                f"{member.files.root}: no trained fold (expected "
                f"{member.files.weights(member.config.folds[0])} or another). "
                "Run `python -m competition train` first."
            )
        by_name[member.name] = folds
    if any(set(other) != set(folds) for other in by_name.values()):
        listed = ", ".join(f"{name} {numbers}" for name, numbers in by_name.items())
        raise ValueError(
            f"{run.files.root}: its runs are trained on different folds: {listed}. "
            "Train the missing folds, so that all runs hold out the same scans."
        )
    return folds


def present_folds(folds: Iterable[layout.Fold], count: int) -> tuple[layout.Fold, ...]:
    """Return those of `folds` that exist when cases are split into `count` folds."""
    return tuple(fold for fold in folds if fold == "all" or fold < count)


def source_of_rules(run: Run) -> Run:
    """Return the run that gives its rules to a run that holds nothing out."""
    return _beside(run, run.config.rules)


def lacks_rules(run: Run) -> bool:
    """Return whether a run takes the rules of another run that has none yet."""
    source = layout.RunFiles(run.files.root.parent / layout.plain(run.config.rules))
    return run.config.rules != "none" and not files.exists(source.decision)


def _sibling(run: Run, name: str) -> Run:
    """Return the run `name`, which `run` predicts with; it must be no blend."""
    other = _beside(run, name)
    if other.config.members:
        raise ValueError(
            f"{run.name} uses the run {name}, which is a blend itself. Name its "
            f"members instead: {', '.join(other.config.members)}."
        )
    return other


def _beside(run: Run, name: str) -> Run:
    """Return the run `name` beside `run`; it must have the same data and classes."""
    run_files = layout.RunFiles(run.files.root.parent / layout.plain(name))
    if name == run.name:
        raise ValueError(
            f"{run.name} names itself under `members`, `gate` or `rules`. Name another "
            "run."
        )
    if not run_files.config.is_file():
        raise ValueError(
            f"{run_files.config}: not found. {run.name} uses the run {name}, whose "
            f"folder must lie beside its own. Run the experiment {name} first."
        )
    other = read(run_files)
    for subject, received, expected in (
        ("data or folds (fingerprint)", other.fingerprint, run.fingerprint),
        ("classes", other.classes, run.classes),
    ):
        if received != expected:
            raise ValueError(
                f"The run {name} cannot be used in {run.name}: it has other {subject}, "
                f"{received}, not {expected}. Train it on the data prepared as for "
                f"{run.name}."
            )
    return other
