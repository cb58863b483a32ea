"""The options of `prepare`: those of this call, and those of the previous one."""

import dataclasses
import pathlib

import typing_extensions

from competition.core import files
from competition.core.data import faulty
from competition.core.experiment import layout


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """How to split the cases, which scans to leave out, and what to do with bad ones.

    `quarantine` leaves out scans with problems. An option that is None keeps the value
    of the previous call. The first call uses 5 folds, seed 0, no fold file, the scans
    that `faulty.scans` chooses, and no quarantine.
    """

    folds: int | None = None
    fold_seed: int | None = None
    fold_file: pathlib.Path | None = None
    faulty: str | None = None
    quarantine: bool | None = None


class Settings(typing_extensions.TypedDict):
    """The options in force, with the contents of files; "None" means no fold file."""

    folds: int
    fold_seed: int
    fold_file: str
    faulty: str | None
    quarantine: bool


NO_FILE = "None"
# The scans that `faulty.scans` leaves out by itself.
AUTO = "auto"
_FIRST = Settings(
    folds=5, fold_seed=0, fold_file=NO_FILE, faulty=None, quarantine=False
)


class _Manifest(typing_extensions.TypedDict):
    options: Settings


def of(given: PrepareOptions, dataset: layout.DatasetFiles) -> Settings:
    """Return the settings of a call: those given, else those of the previous call.

    A given number or seed of folds replaces an earlier fold file.
    """
    settings = _before(dataset)
    if given.folds is not None or given.fold_seed is not None:
        settings["fold_file"] = NO_FILE
    if given.folds is not None:
        settings["folds"] = given.folds
    if given.fold_seed is not None:
        settings["fold_seed"] = given.fold_seed
    if given.fold_file is not None:
        settings["fold_file"] = files.read_text(given.fold_file, remedy="Correct it.")
    if given.faulty is not None:
        chosen = str(given.faulty)
        settings["faulty"] = None if chosen == AUTO else faulty.read(chosen)
    if given.quarantine is not None:
        settings["quarantine"] = given.quarantine
    return settings


def _before(dataset: layout.DatasetFiles) -> Settings:
    try:
        about: _Manifest = files.read_json(dataset.manifest, _Manifest)
    except (OSError, ValueError):
        # Not prepared yet, damaged, or written by a version without options.
        return _FIRST.copy()
    return about["options"]
