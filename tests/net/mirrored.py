"""Trains on one device and on two alike: `-m tests.net.mirrored FOLDER OVERRIDES`.

Prints the number of replicas and the losses of both as JSON, and those of two devices
without memory for half a batch each.
"""

import contextlib
import json
import pathlib
import sys
from collections.abc import Iterator
from unittest import mock

import numpy as np
import tensorflow as tf

from competition.core.experiment import configs
from competition.net import devices
from competition.net.input import waiting
from competition.net.networks import build
from competition.net.training import fitting, setup, step
from tests.net import training_parts


def main(folder: str, *overrides: str) -> None:
    """Train the same network on one device and on two."""
    # A device can be divided only before anything is computed.
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, halves)
    config = configs.load("smoke", overrides)
    ends = []
    for setting, most in (("one", 8), ("mirror", 4), ("mirror", 2)):
        setup.seed(0)
        device = devices.find()
        with (
            devices.policy(config.training.precision, device),
            devices.shared(setting, device),
            memory_for(most),
        ):
            fold = training_parts.fold_of(
                build.build(config, 2),
                configs.load("smoke", (*overrides, f"training.gpus={setting}")),
                data=Slices(),
                folder=pathlib.Path(folder, f"{setting}{most}"),
            )
            epochs = fitting.fit(fold)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
        rows = [(row["loss"], row["rate"]) for row in epochs]
        ends.append((replicas, rows))
    sys.stdout.write(json.dumps(ends) + "\n")


@contextlib.contextmanager
def memory_for(most: int) -> Iterator[None]:
    """Let steps of more than `most` slices on a device run out of memory."""
    normalise = step.normalise

    def scarce(stack: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        if stack.shape[0] > most:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return normalise(stack, window)

    with mock.patch.object(step, "normalise", scarce):
        yield


class Slices:
    """Stands in for `TrainingData`: 16 random slices, whose bright pixels are organ."""

    scans = None

    def __init__(self) -> None:
        self.waiting = waiting.Waiting()

    def leave_device(self, config: configs.Config) -> bool:
        """Say that no scans lie on the device."""
        return False

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
        self.steps = len(stack) // config.training.batch
        epochs = config.training.epochs - first_epoch
        yield whole.batch(config.training.batch, drop_remainder=True).repeat(epochs)


if __name__ == "__main__":
    main(*sys.argv[1:])
