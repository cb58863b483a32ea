"""Trains on 1 device, and on 8 and then 2: `-m tests.net.data_parallel DATA WORK`.

DATA is a competition folder, and JAX is given 8 virtual devices. Prints the losses, the
greatest difference of the probabilities and on how many devices predict as JSON.
"""

import json
import pathlib
import sys
from unittest import mock

import jax
import numpy as np

from competition import opening, pipeline, predict
from competition.core import probabilities
from competition.core.data import slice_table
from competition.core.experiment import history
from competition.machine import deadline
from competition.net import devices
from competition.net.inference import trained_network
from competition.train import fold_training
from tests import conftest

OVERRIDES = (
    *conftest.TINY,
    # Most of the time is compiling the network, so it has a single level.
    "model.widths=[4]",
    "training.tensorboard=false",
    "training.batch=8",
    "folds=[0]",
    "training.score_scans=1",
    # At the rate of other tests AdamW turns rounding into steps.
    "training.learning_rate=0.001",
)
# The devices of each run; all but the last train one epoch.
RUNS = {"alone": (1,), "shared": (8, 2)}


def main(*folders: str) -> None:
    """Train and predict on the devices of each run."""
    assert len(jax.devices()) == 8
    data, work = map(pathlib.Path, folders)
    pipeline.prepare(data, work=work)
    losses, predicted, places = [], [], []
    for name, counts in RUNS.items():
        dataset, run = opening.open_experiment(
            "smoke", data=data, work=work, overrides=OVERRIDES, name=name
        )
        path = run.files.history(0)
        for epochs, count in enumerate(counts, start=3 - len(counts)):
            device = devices.Device("cpu", count, backend="jax")
            with mock.patch.object(devices, "find", lambda device=device: device):
                fold_training.train(dataset, run, 0, Epochs(path, epochs))
                if epochs == 2:
                    predict.run(dataset, run)
                    network = trained_network.load(run, 0)
        places.append(len(network.weights[0].value.devices()))
        losses.append([row["loss"] for row in history.read(path)])
        scans = slice_table.held_out_scans(slice_table.read(dataset), [0])
        predicted.append(
            [probabilities.read(run.files.oof(scan)).probability for scan in scans]
        )
    steps = [
        int(np.abs(one.astype(int) - other).max())
        for one, other in zip(*predicted, strict=True)
    ]
    sys.stdout.write(json.dumps([*losses, max(steps), places]) + "\n")


class Epochs(deadline.Deadline):
    """A limit that comes when a fold has so many epochs."""

    def __init__(self, path: pathlib.Path, epochs: int) -> None:
        super().__init__(1e6)
        self.path, self.epochs = path, epochs

    def allows(self, seconds: float) -> bool:
        """Return whether there are fewer epochs than that."""
        return len(history.read(self.path)) < self.epochs


if __name__ == "__main__":
    main(*sys.argv[1:])
