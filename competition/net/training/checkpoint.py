"""The state from which an interrupted fold goes on: two generations, without pickle.

A new state is written aside, then state.npz becomes state-before.npz and the new one
takes its name. Every array in a state has a checksum; a damaged file is passed over.
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
from competition.core.experiment import history, schema

LATEST, PREVIOUS = "state.npz", "state-before.npz"
BEST = "best.weights.h5"
# The end of the paths of the gradients that an optimizer accumulates.
ACCUMULATOR = "gradient_accumulator"
# The errors that a damaged file raises; RuntimeError where its directory is damaged.
_DAMAGE = ValueError, KeyError, EOFError, OSError, RuntimeError, zipfile.BadZipFile
Arrays = list[np.ndarray]


@dataclasses.dataclass
class TrainingState:
    """A fold after its last finished epoch; state.npz has these names.

    `best` is the score of the weights in best.weights.h5, whose CRC-32 is `best_crc`;
    `halvings` counts how often the batch was too large for the memory, `slowed` tells
    whether the learning rate was halved, `resting` whether the encoder is frozen;
    `mean` is the mean of the weights after the last `averaged` epochs.
    """

    epochs: list[history.Epoch] = dataclasses.field(default_factory=list)
    best: float | None = None
    best_crc: int | None = None
    halvings: int = 0
    slowed: bool = False
    resting: bool = False
    averaged: int = 0
    mean: Arrays = dataclasses.field(default_factory=list)

    def is_over(self, training: schema.Training) -> bool:
        """Return whether the last epoch is done, or no score is expected to rise."""
        return history.is_over(
            self.epochs, epochs=training.epochs, patience=training.patience
        )

    def next_epoch_seconds(self) -> float:
        """Return the seconds that the next epoch may take; 0 where that is unknown.

        A tenth more than any of the last three: before, it may have been another
        machine.
        """
        return 1.1 * max((row["seconds"] for row in self.epochs[-3:]), default=0.0)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
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
    """Write the state of a fold to state.npz, and keep the one before."""
    groups = {
        "network": to_arrays(network.variables),
        "optimizer": to_arrays(optimizer.variables),
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
    with files.replacing(folder / LATEST) as temporary:
        np.savez(temporary, about=np.array(json.dumps(about)), **arrays)
        if (folder / LATEST).is_file():
            os.replace(folder / LATEST, folder / PREVIOUS)


def exists(folder: pathlib.Path) -> bool:
    """Return whether a fold has a state, sound or not."""
    return any((folder / name).is_file() for name in (LATEST, PREVIOUS))


def load(folder: pathlib.Path) -> Checkpoint | None:
    """Read the state of a fold, or the one before where it is damaged.

    Returns None where there is no state; that all are damaged is an error.
    """
    faults = []
    for path in (folder / LATEST, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            stored = _read(path)
        except _DAMAGE as error:
            faults.append((path, error))
            continue
        if faults:
            done = len(stored.state.epochs)
            console.warn(f"{_describe(faults)}. Going on after epoch {done}.")
            # The next `save` would make it the one before, and remove the sound one.
            faults[0][0].unlink()
        return _with_best(folder, stored)
    if faults:
        raise ValueError(
            f"{_describe(faults)}, and there is no sound one. Delete the folder to "
            "train the fold again from its beginning."
        )
    return None


def restore(
    stored: Checkpoint,
    *,
    network: keras.Model,
    optimizer: keras.Optimizer,
    now: TrainingState,
) -> None:
    """Assign the stored variables; the optimizer must be built.

    Where `now`, the state to go on with, has another encoder frozen than the stored
    one, the optimizer begins afresh. Where it has a smaller batch, more batches make a
    step: the optimizer's count of batches grows by as much.
    """
    assign(network.variables, stored.network)
    if stored.state.resting != now.resting:
        return
    if stored.state.halvings == now.halvings:
        assign(optimizer.variables, stored.optimizer)
        return
    # Accumulators do not exist before the first halving, and are empty at an epoch's
    # end: they are left as they are.
    values = [
        array
        for path, array in zip(stored.paths, stored.optimizer, strict=True)
        if not path.endswith(ACCUMULATOR)
    ]
    # An optimizer's first variable counts its batches.
    values[0] = values[0] * 2 ** (now.halvings - stored.state.halvings)
    variables = [v for v in optimizer.variables if not v.path.endswith(ACCUMULATOR)]
    assign(variables, values)


def remove_previous(folder: pathlib.Path) -> None:
    """Remove the state before the last, which a finished fold does not need."""
    (folder / PREVIOUS).unlink(missing_ok=True)


def save_best_weights(folder: pathlib.Path, network: keras.Model) -> int:
    """Write the best weights in one step and return their CRC-32."""
    with files.replacing(folder / BEST) as temporary:
        network.save_weights(temporary)
    return _crc(folder / BEST)


def to_arrays(variables: Any) -> Arrays:
    """Return copies of the values of Keras variables."""
    return [np.array(keras.ops.convert_to_numpy(each)) for each in variables]


def assign(variables: Any, arrays: Arrays) -> None:
    """Give Keras variables the values of arrays; other shapes are an error."""
    expected = [tuple(variable.shape) for variable in variables]
    received = [value.shape for value in arrays]
    if expected != received:
        raise ValueError(
            f"{LATEST}: the state is of another network: expected {len(expected)} "
            f"variables, received {len(received)}, or their shapes differ. "
            "Train under another name, or delete the folder to begin again."
        )
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)


def _read(path: pathlib.Path) -> Checkpoint:
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        groups: dict[str, Arrays] = {"network": [], "optimizer": [], "mean": []}
        names = sorted(set(stored.files) - {"about"})
        # A damaged directory hides arrays; states of older versions do not list them.
        if about.pop("arrays", names) != names:
            raise ValueError("arrays are missing")
        for name in names:
            groups[name.rstrip("0123456789")].append(stored[name])
    paths = about.pop("paths")
    state = TrainingState(**about, mean=groups["mean"])
    return Checkpoint(state, groups["network"], groups["optimizer"], paths)


def _with_best(folder: pathlib.Path, stored: Checkpoint) -> Checkpoint:
    """Forget a best score whose weights are not there: the next score is the best then.

    They are missing where a fold was killed after the best weights of an epoch were
    written and before its state: that epoch is trained again.
    """
    path = folder / BEST
    if not path.is_file() or _crc(path) != stored.state.best_crc:
        stored.state.best = stored.state.best_crc = None
    return stored


def _crc(path: pathlib.Path) -> int:
    return zlib.crc32(path.read_bytes())


def _describe(faults: Sequence[tuple[pathlib.Path, Exception]]) -> str:
    return "; ".join(
        f"{path}: the state is damaged ({error})" for path, error in faults
    )
