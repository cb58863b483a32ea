"""Time a few training steps with XLA and without, and choose the faster way."""

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras

from competition.core import console
from competition.core.experiment import schema
from competition.net import devices
from competition.net.training import step, weights

# The first steps compile; later ones are timed.
WARM_UP, TIMED = 2, 5
Compiled = Callable[[bool], step.TrainingStep]


def choose(
    training: schema.Training,
    network: keras.Model,
    compiled: Compiled,
    batches: Iterable,
) -> bool:
    """Return whether to train with XLA; with "auto" TensorFlow on a GPU tries both.

    `compiled` builds the step around `network`, whose variables are restored at the
    end. Some operations take several times as long under XLA, such as depthwise
    convolutions (tensorflow issue 59772), and a machine may lack what XLA needs.
    """
    device = devices.find()
    sharing = devices.sharing(training.gpus, device)
    asked = devices.xla(training.xla, device, sharing=sharing)
    if device.backend == "jax" or not asked or training.xla != "auto":
        return asked
    before = weights.to_arrays(network.variables)
    try:
        return _is_faster(compiled, next(iter(batches)))
    finally:
        weights.assign(network.variables, before)


def _is_faster(compiled: Compiled, batch: Any) -> bool:
    without = _seconds(compiled(False), batch)
    try:
        with_xla = _seconds(compiled(True), batch)
    except Exception as error:
        # XLA may need more memory than the step without it, which fitted.
        console.warn(
            f"XLA cannot compile the training step, so training does without: {error} "
            "Set training.xla=false to leave out this trial."
        )
        return False
    console.note(f"a step takes {without:.4f} s, and with XLA {with_xla:.4f} s")
    return with_xla < without


def _seconds(model: step.TrainingStep, batch: Any) -> float:
    """Return the median seconds of a step after the first ones."""
    seconds = []
    for _ in range(WARM_UP + TIMED):
        began = time.perf_counter()
        model.train_on_batch(batch)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[WARM_UP:])
