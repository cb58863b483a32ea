"""What an interrupted fold goes on from: two generations of state, no pickle in them.

state.npz is written aside, then state.npz becomes state-before.npz and the new one
takes its name. Every array in it carries a checksum; a damaged file is passed over.
"""

import dataclasses
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from competition.core import console, files
from competition.core.experiment import history

NAME, BEFORE = "state.npz", "state-before.npz"
BEST = "best.weights.h5"
# How the paths of an optimizer's accumulated gradients end; its first is the iteration.
SUMS = "gradient_accumulator"
# What a damaged file raises; of its directory, a RuntimeError.
_DAMAGE = ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile
Arrays = list[np.ndarray]


@dataclasses.dataclass
class TrainingState:
    """A fold after its last finished epoch.

    `best` is the score of the weights kept as the best, whose CRC-32 is `best_crc`;
    `halvings` tells how often the batch was too large, `slowed` whether the rate was
    halved, `resting` whether the encoder rests; `mean` is of `averaged` epochs.
    """

    epochs: list[history.Epoch] = dataclasses.field(default_factory=list)
    best: float | None = None
    best_crc: int | None = None
    halvings: int = 0
    slowed: bool = False
    resting: bool = False
    averaged: int = 0
    mean: Arrays = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class StoredState:
    """A state as it was read: the fold, and the variables in their order."""

    state: TrainingState
    network: Arrays
    optimizer: Arrays
    paths: list[str]


def save(
    folder: pathlib.Path,
    state: TrainingState,
    *,
    network: keras.Model,
    optimizer: keras.Optimizer,
) -> None:
    """Make this the state of the fold, and the last one the one before."""
    groups = {
        "network": values(network.variables),
        "optimizer": values(optimizer.variables),
        "mean": state.mean,
    }
    about = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(TrainingState)
        if field.name != "mean"
    }
    about["paths"] = [variable.path for variable in optimizer.variables]
    arrays = {
        f"{name}{number:05d}": array
        for name, group in groups.items()
        for number, array in enumerate(group)
    }
    about["arrays"] = sorted(arrays)
    with files.replacing(folder / NAME) as temporary:
        np.savez(temporary, about=np.array(json.dumps(about)), **arrays)
        if (folder / NAME).is_file():
            os.replace(folder / NAME, folder / BEFORE)


def is_in(folder: pathlib.Path) -> bool:
    """Whether a fold has a state, sound or not."""
    return any((folder / name).is_file() for name in (NAME, BEFORE))


def load(folder: pathlib.Path) -> StoredState | None:
    """Read the state of a fold, the one before where it is damaged; None: no state."""
    faults = []
    for path in (folder / NAME, folder / BEFORE):
        if not path.is_file():
            continue
        try:
            stored = _read(path)
        except _DAMAGE as error:
            faults.append((path, error))
            continue
        if faults:
            done = len(stored.state.epochs)
            console.warn(f"{_name(faults)}. Going on after epoch {done}.")
            # Or it would be made the one before.
            faults[0][0].unlink()
        return _with_best(folder, stored)
    if faults:
        raise ValueError(
            f"{_name(faults)}, and there is no sound one. Delete the folder to train "
            "the fold again from its beginning."
        )
    return None


def restore(
    stored: StoredState,
    *,
    network: keras.Model,
    optimizer: keras.Optimizer,
    now: TrainingState,
) -> None:
    """Assign the variables of a state; the optimizer must be built.

    An optimizer that moves other weights than the stored one begins afresh, one that
    moves them after more batches each counts on in these. `now` is what to go on with.
    """
    _assign(network.variables, stored.network)
    if stored.state.resting != now.resting:
        return
    if stored.state.halvings == now.halvings:
        _assign(optimizer.variables, stored.optimizer)
        return
    # What sums gradients up is not there before the first halving, and empty after it.
    kept = [path.endswith(SUMS) for path in stored.paths]
    before = [
        each for each, sums in zip(stored.optimizer, kept, strict=True) if not sums
    ]
    before[0] = before[0] * 2 ** (now.halvings - stored.state.halvings)
    _assign(
        [each for each in optimizer.variables if not each.path.endswith(SUMS)], before
    )


def finish(folder: pathlib.Path) -> None:
    """Remove the state before the last, which a finished fold has no use for."""
    (folder / BEFORE).unlink(missing_ok=True)


def keep_best(folder: pathlib.Path, network: keras.Model) -> int:
    """Write the best weights in one step and return their CRC-32."""
    with files.replacing(folder / BEST) as temporary:
        network.save_weights(temporary)
    return _crc(folder / BEST)


def values(variables: Any) -> Arrays:
    """The values of Keras variables, copied."""
    return [np.array(keras.ops.convert_to_numpy(each)) for each in variables]


def _assign(variables: Any, arrays: Arrays) -> None:
    expected = [tuple(variable.shape) for variable in variables]
    received = [value.shape for value in arrays]
    if expected != received:
        raise ValueError(
            f"{NAME}: the state is of another network: expected {len(expected)} "
            f"variables, received {len(received)}, or their shapes differ. "
            "Train under another name, or delete the folder to begin again."
        )
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)


def _read(path: pathlib.Path) -> StoredState:
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        groups: dict[str, Arrays] = {"network": [], "optimizer": [], "mean": []}
        names = sorted(set(stored.files) - {"about"})
        # A damaged directory hides arrays; a state of before this has no list of them.
        if about.pop("arrays", names) != names:
            raise ValueError("arrays are missing")
        for name in names:
            groups[name.rstrip("0123456789")].append(stored[name])
    paths = about.pop("paths")
    state = TrainingState(**about, mean=groups["mean"])
    return StoredState(state, groups["network"], groups["optimizer"], paths)


def _with_best(folder: pathlib.Path, stored: StoredState) -> StoredState:
    """Forget a best score whose weights are not there; the next score is kept then.

    Killed between the two, the best weights are of the epoch that is now repeated.
    """
    path = folder / BEST
    if not path.is_file() or _crc(path) != stored.state.best_crc:
        stored.state.best = stored.state.best_crc = None
    return stored


def _crc(path: pathlib.Path) -> int:
    return zlib.crc32(path.read_bytes())


def _name(faults: Sequence[tuple[pathlib.Path, Exception]]) -> str:
    return "; ".join(f"{path}: the state is damaged ({why})" for path, why in faults)
