"""The memory and the disk that a training needs, estimated from its network."""

import dataclasses
import math
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

from competition.core import console
from competition.core.experiment import configs, schema
from competition.machine import memory
from competition.net import activations, devices, hosts
from competition.net.frameworks import keras


@dataclasses.dataclass(frozen=True, slots=True)
class Needs:
    """The bytes of a fold's weights and state on disk, and of each device's memory.

    `fixed` bytes of that memory do not depend on the batch.
    """

    weights: int
    state: int
    memory: int
    fixed: int = 0

    def fitting(self, batch: int, free: int) -> int:
        """Return the largest batch for `free` bytes; `memory` is that of `batch`."""
        of_sample = (self.memory - self.fixed) / batch
        return max(0, int((free - self.fixed) / max(1, of_sample)))

    def disk(self, folds: int, *, at_once: int = 1) -> int:
        """Return the most bytes that folds take on the disk; `at_once` train together.

        An unfinished fold has two states. Files that are being written take space
        beside those that they replace.
        """
        lasting = folds * (2 * self.state + self.weights)
        return lasting + min(folds, at_once) * (self.state + self.weights)


def of(network: keras.Model, config: configs.Config, device: devices.Device) -> Needs:
    """Estimate what the training of a network needs, on devices of this kind.

    The memory is that of variables, of their copies in half precision, of gradients and
    of what a step keeps of each sample.
    """
    training = config.training
    every, trained = _bytes(network.variables), _bytes(network.trainable_variables)
    slots = _slots(training) * trained
    mean = every if training.swa_epochs else 0
    sharing = devices.sharing(training.gpus, device) * hosts.count()
    of_sample = activations.kept_bytes(network) + activations.recomputed_bytes(network)
    fixed = every + trained + slots + _copies(network)
    return Needs(
        weights=every,
        state=every + slots + mean,
        memory=fixed + training.batch // sharing * of_sample,
        fixed=fixed,
    )


def check(needed: Needs, config: configs.Config, free: int | None) -> None:
    """Warn before the first step if the `free` memory may be too small for a batch.

    A batch is halved when its step fails. If the weights and what the optimizer keeps
    for them do not fit, an error is raised.
    """
    if free is None or needed.memory <= free:
        return
    batch, fixed = config.training.batch, needed.fixed
    if fixed > free:
        raise ValueError(
            "The weights and what the optimizer keeps for them take "
            f"{memory.show(fixed)}, and {memory.show(free)} of memory are free. Set a "
            "smaller `model.encoder` or `model.widths`, training.ema=0, or use a "
            "device with more memory."
        )
    gpus, device = config.training.gpus, devices.find()
    sharing = devices.sharing(gpus, device) * hosts.count()
    fits = max(1, needed.fitting(batch, free) // sharing) * sharing
    times = -(-batch // fits) * config.training.accumulate
    remedy = (
        f"A step learns as much with training.batch={fits} and "
        f"training.accumulate={times}, which may fit."
        if devices.accumulates(gpus, device)
        else f"training.batch={fits} may fit."
    )
    console.warn(
        f"a batch of {batch} may take {memory.show(needed.memory)}, and "
        f"{memory.show(free)} of memory are free. Where a step fails, the batch is "
        f"halved. {remedy}"
    )


def describe(needed: Needs, folder: pathlib.Path) -> str:
    """Describe what a fold needs; warn if `folder` has too little space."""
    free, disk = shutil.disk_usage(folder).free, needed.disk(1)
    if free < disk:
        console.warn(
            f"{folder}: the training of a fold takes up to {memory.show(disk)} here, "
            f"and {memory.show(free)} are free. Make room, or train in another `work`."
        )
    return (
        f"needs about {memory.show(needed.memory)} of memory on each device, beside "
        f"scans, and up to {memory.show(disk)} of disk, of which "
        f"{memory.show(needed.weights)} stay"
    )


def _slots(training: schema.Training) -> int:
    """Return how many values the optimizer keeps for each trained one."""
    moments = {"adamw": 2, "adam": 2, "sgd": int(training.momentum > 0)}
    extra = int(training.ema > 0) + int(training.accumulate > 1)
    return moments[training.optimizer] + extra


def _copies(network: keras.Model) -> int:
    """Return the bytes of the copies of the weights in half precision; 0 without."""
    policy = network.dtype_policy
    if policy.compute_dtype == policy.variable_dtype:
        return 0
    return network.count_params() * activations.itemsize(policy.compute_dtype)


def _bytes(variables: Iterable[Any]) -> int:
    return sum(
        math.prod(each.shape) * activations.itemsize(each.dtype) for each in variables
    )
