"""The state that an interrupted fold goes on from: one npz, no pickle in it."""

import json
import pathlib
import zipfile

import keras
import numpy as np

from competition.core import files, history


def save(
    path: pathlib.Path,
    network: keras.Model,
    *,
    optimizer: keras.Optimizer,
    epochs: list[history.Epoch],
) -> None:
    """Write all variables of network and optimizer, and the history, in one step."""
    variables = [*network.variables, *optimizer.variables]
    arrays = {
        f"variable{number:04d}": keras.ops.convert_to_numpy(variable)
        for number, variable in enumerate(variables)
    }
    with files.replacing(path) as temporary:
        np.savez(temporary, history=np.array(json.dumps(epochs)), **arrays)


def load(
    path: pathlib.Path, network: keras.Model, *, optimizer: keras.Optimizer
) -> list[history.Epoch]:
    """Assign the variables of a state and return its history; no state, no epochs.

    The optimizer must be built.
    """
    if not path.is_file():
        return []
    variables = [*network.variables, *optimizer.variables]
    epochs, values = _read(path)
    expected = [tuple(variable.shape) for variable in variables]
    received = [value.shape for value in values]
    if expected != received:
        raise ValueError(
            f"{path}: the state is of another network: expected {len(expected)} "
            f"variables, received {len(received)}, or their shapes differ. "
            "Train under another name, or delete the folder to begin again."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return epochs


def _read(path: pathlib.Path) -> tuple[list[history.Epoch], list[np.ndarray]]:
    try:
        with np.load(path) as stored:
            names = sorted(name for name in stored.files if name != "history")
            epochs: list[history.Epoch] = json.loads(str(stored["history"]))
            return epochs, [stored[name] for name in names]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: the state is damaged ({error}). "
            "Delete it to train the fold again from its beginning."
        ) from error
