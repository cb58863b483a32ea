"""The state from which an interrupted fold goes on: two generations, without pickle.

A new state is written aside, then state.npz becomes state-before.npz and the new one
takes its name. A state has a digest and names its owner; a damaged one, or one of
another fold or training, is not used.
"""

import dataclasses
import io
import json
import pathlib
from typing import Any

import keras
import numpy as np
import pydantic

from competition.core import console, files, storage
from competition.core.data import arrays
from competition.core.experiment import history, layout
from competition.machine import deadline
from competition.net import hosts, weights_file
from competition.net.training import step, weights

LATEST, PREVIOUS = "state.npz", layout.STATE_BEFORE
BEST = "best.weights.h5"


@dataclasses.dataclass
class TrainingState:
    """A fold after its last finished epoch; state.npz has these names.

    `owner` names the fold and its training, as `runs.owner` does. `best` is the score
    of the weights in best.weights.h5 and `best_digest` their digest; `steps` are the
    batches of an epoch, 0 in a state of an older version; `halvings` counts how often
    the batch was too large for the memory, `slowed` tells whether the learning rate was
    halved, `resting` whether the encoder is frozen; `mean` is the mean of the weights
    after the last `averaged` epochs.
    """

    __pydantic_config__ = pydantic.ConfigDict(
        extra="forbid", arbitrary_types_allowed=True
    )

    owner: str
    epochs: list[history.Epoch] = dataclasses.field(default_factory=list)
    best: float | None = None
    best_digest: str | None = None
    steps: int = 0
    halvings: int = 0
    slowed: bool = False
    resting: bool = False
    averaged: int = 0
    mean: weights.Arrays = dataclasses.field(default_factory=list)

    def is_late(self, limit: deadline.Deadline | None) -> bool:
        """Return whether `limit` would come within the next epoch.

        It may take a tenth more than the slowest of the last three: these may have run
        on another machine. Before the first epoch its time is unknown and counts as 0.
        """
        slowest = max((row["seconds"] for row in self.epochs[-3:]), default=0.0)
        return limit is not None and not limit.allows(1.1 * slowest)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A state as it was read: the fold, and the variables in their order.

    There are no variables before the first epoch, or when the fold is finished.
    """

    state: TrainingState
    network: weights.Arrays = dataclasses.field(default_factory=list)
    optimizer: weights.Arrays = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)


def save(folder: pathlib.Path, state: TrainingState, model: step.TrainingStep) -> None:
    """Write the state of a fold to state.npz, and keep the one before."""
    stored = Checkpoint(
        state,
        weights.to_arrays(model.network.variables),
        weights.to_arrays(model.optimizer.variables),
        [variable.path for variable in model.optimizer.variables],
    )
    with files.replacing(folder / LATEST) as temporary:
        _write(temporary, stored)
        if (folder / LATEST).is_file():
            storage.set_aside(folder / LATEST, folder / PREVIOUS)


def shared(stored: Checkpoint) -> Checkpoint:
    """Return the checkpoint of host 0 on all hosts that train together."""
    if hosts.count() == 1:
        return stored
    held = io.BytesIO()
    if hosts.is_first():
        _write(held, stored)
    return _read(io.BytesIO(hosts.from_first(held.getvalue())), stored.state.owner)


def exists(folder: pathlib.Path) -> bool:
    """Return whether a fold has a state, sound or not."""
    return any(files.exists(folder / name) for name in (LATEST, PREVIOUS))


def load(folder: pathlib.Path, owner: str) -> Checkpoint:
    """Read the state of a fold, or the previous one if it cannot be used.

    Without a state the fold is at its beginning. If no state can be used, an error is
    raised.
    """
    faults = []
    for path in (folder / LATEST, folder / PREVIOUS):
        if not files.exists(path):
            continue
        # This comes first: an error of the storage does not mean a damaged file.
        files.check_regular(path)
        try:
            stored = _read(path, owner)
        # A damaged file raises errors of many kinds.
        except Exception as error:
            if files.is_passing(error):
                raise
            faults.append(f"{path}: the state is damaged ({error})")
            continue
        if faults:
            done = len(stored.state.epochs)
            console.warn(f"{faults[0]}. Going on after epoch {done}.")
            # The next `save` would put the damaged state in the place of the sound one.
            files.remove(folder / LATEST)
        # A fold that was killed after it wrote the best weights of an epoch and before
        # its state trains that epoch again: its next score counts as the best.
        kept = stored.state.best_digest
        if not kept or kept != _digest_of_best(folder / BEST, owner):
            stored.state.best = stored.state.best_digest = None
        return stored
    if faults:
        raise ValueError(
            f"{'; '.join(faults)}, and no other can be used. Delete the folder to "
            "train the fold again from its beginning."
        )
    return Checkpoint(TrainingState(owner))


def _digest_of_best(best: pathlib.Path, owner: str) -> str | None:
    """Return the digest of the best weights; None where there are none to use."""
    try:
        return weights_file.check(best, owner=owner)
    except ValueError as error:
        console.warn(f"{error} The best of the coming epochs are kept instead.")
        return None


def save_best_weights(folder: pathlib.Path, network: keras.Model, owner: str) -> str:
    """Write the best weights in one step and return their digest."""
    return weights_file.write(folder / BEST, network, owner=owner)


def finish(folder: pathlib.Path, stored: Checkpoint) -> None:
    """Reduce a finished fold's state to what it says of the epochs.

    It drops the variables, which are several times as large as the weights. The weights
    must be there.
    """
    if not (folder / BEST).is_file():
        raise ValueError(
            f"{folder / BEST}: not found, though the fold is finished. Bring it back, "
            "or delete the folder to train the fold again."
        )
    if stored.network:
        with files.replacing(folder / LATEST) as temporary:
            _write(temporary, Checkpoint(dataclasses.replace(stored.state, mean=[])))
    # This comes last: while this file exists, the fold does not count as finished.
    files.remove(folder / PREVIOUS)


def _write(path: pathlib.Path | io.BytesIO, stored: Checkpoint) -> None:
    about = dict(vars(stored.state), paths=stored.paths)
    groups = {
        "network": stored.network,
        "optimizer": stored.optimizer,
        "mean": about.pop("mean"),
    }
    named = {
        f"{name}{number:05d}": array
        for name, group in groups.items()
        for number, array in enumerate(group)
    }
    about["digest"] = _digest(about, named)
    named["about"] = np.array(json.dumps(about))
    arrays.write_archive(path, named)


def _read(path: pathlib.Path | io.BytesIO, owner: str) -> Checkpoint:
    with np.load(path, allow_pickle=False) as stored:
        named = {name: stored[name] for name in sorted(stored.files)}
    about = json.loads(str(named.pop("about")))
    # States of older versions have no digest and no owner, but may list their arrays.
    if "digest" in about and about.pop("digest") != _digest(about, named):
        raise ValueError("it is not what was written: its digest differs")
    # Older versions marked the best weights otherwise: the next score becomes the best.
    about.pop("best_crc", None)
    if about.pop("arrays", list(named)) != list(named):
        raise ValueError("arrays are missing")
    if about.setdefault("owner", owner) != owner:
        raise ValueError(f"it is of {about['owner']}, expected {owner}")
    groups: dict[str, weights.Arrays] = {"network": [], "optimizer": [], "mean": []}
    for name, array in named.items():
        groups[name.rstrip("0123456789")].append(array)
    paths = about.pop("paths")
    if len(paths) != len(groups["optimizer"]):
        raise ValueError("the optimizer's variables are not those that it names")
    form = pydantic.TypeAdapter(TrainingState)
    state = form.validate_python(about | {"mean": groups["mean"]})
    return Checkpoint(state, groups["network"], groups["optimizer"], paths)


def _digest(about: dict[str, Any], named: dict[str, np.ndarray]) -> str:
    """Return the digest of all that a state's file holds."""
    whole = {"about": np.array(json.dumps(about))} | named
    return weights_file.digest(sorted(whole.items()))
