"""Trains on one device and on two alike: `-m tests.net.mirrored FOLDER OVERRIDES`.

Prints the number of replicas and the losses of both as JSON.
"""

import contextlib
import json
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import build
from competition.net.training import fitting, setup
from tests.net import training_parts


def main(folder: str, *overrides: str) -> None:
    """Train the same network on one device and on two."""
    # A device can be divided only before anything is computed.
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, halves)
    config = configs.load("smoke", overrides)
    ends = []
    for setting in ("one", "mirror"):
        setup.seed(0)
        with devices.mirrored(setting, devices.find()):
            fold = training_parts.fold_of(
                build.build(config, 2),
                config,
                data=Slices(),
                folder=pathlib.Path(folder, setting),
            )
            epochs = fitting.fit(fold)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
        ends.append((replicas, [row["loss"] for row in epochs]))
    sys.stdout.write(json.dumps(ends) + "\n")


class Slices:
    """Stands in for `TrainingData`: 16 random slices, whose bright pixels are organ."""

    steps = 2

    @contextlib.contextmanager
    def batches(
        self, config: configs.Config, *, first_epoch: int
    ) -> Iterator[tf.data.Dataset]:
        """Give `fit` the batches of the remaining epochs."""
        random = np.random.default_rng(0)
        stack = random.integers(0, 1000, (16, 32, 32, 5)).astype(np.uint16)
        bits = (stack[..., 2] > 500).astype(np.uint8)
        window = np.tile(np.array([0, 1000], np.float32), (16, 1))
        whole = tf.data.Dataset.from_tensor_slices(
            {"stack": stack, "bits": bits, "window": window}
        )
        epochs = config.training.epochs - first_epoch
        yield whole.batch(config.training.batch, drop_remainder=True).repeat(epochs)


if __name__ == "__main__":
    main(*sys.argv[1:])
