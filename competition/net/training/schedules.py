"""The optimizer of a fold and its learning rate, which warms up and then falls."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
from keras import ops

from competition.core.experiment import schema

Tensor = Any


@keras.saving.register_keras_serializable(package="competition")
@dataclasses.dataclass(eq=False)
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of every step of a fold: up to the peak, then down.

    "cosine" and "polynomial" rise evenly and fall to 0 as their name says; "one_cycle"
    rises from a 25th of the peak and falls to a 10,000th, both as a cosine.
    """

    kind: Literal["cosine", "polynomial", "one_cycle"]
    peak: float
    total: int
    warmup: int
    power: float = 1.0
    # A new optimizer counts its steps from 0, whichever step it begins with.
    first: int = 0

    def __call__(self, step: Tensor) -> Tensor:
        """Return the rate of a step, counted from 0."""
        step = ops.cast(step, "float32") + self.first
        # The first step has a rate above 0, or it would change nothing.
        risen = ops.minimum((step + 1) / self.warmup, 1.0)
        done = (step - self.warmup) / max(1, self.total - self.warmup)
        done = ops.clip(done, 0.0, 1.0)
        rise, fall = risen, 1 - _cosine(done)
        if self.kind == "polynomial":
            fall = ops.power(1 - done, self.power)
        if self.kind == "one_cycle":
            rise = 1 / 25 + (1 - 1 / 25) * _cosine(risen)
            fall = 1e-4 + (1 - 1e-4) * fall
        return self.peak * ops.where(risen < 1, rise, fall)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return dataclasses.asdict(self)


def build_schedule(
    training: schema.Training, *, steps: int, first: int = 0
) -> WarmupSchedule:
    """Build the schedule of a fold of `steps` batches an epoch, from batch `first`."""
    total = steps * training.epochs
    return WarmupSchedule(
        training.schedule,
        peak=training.learning_rate,
        total=total,
        warmup=max(1, round(training.warmup * total)),
        power=training.power,
        first=first,
    )


def build_optimizer(
    training: schema.Training, *, steps: int, first: int = 0
) -> keras.Optimizer:
    """Build the optimizer of a fold of `steps` batches an epoch, from batch `first`.

    It may keep a moving average, which `fit` does not write over the weights. With
    `training.ema` near 1 the average would consist of the first weights for long, so it
    reaches back over the last tenth of the batches at most.
    """
    accumulate = training.accumulate
    shared = {
        "learning_rate": build_schedule(training, steps=steps, first=first),
        "global_clipnorm": training.clip_norm or None,
        "use_ema": training.ema > 0,
        # The average is taken at every batch, the weights move at every step.
        "ema_momentum": training.ema ** (1 / accumulate),
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
        # Fixed, since the paths of the variables in state.npz begin with it.
        "name": "optimizer",
    }
    if training.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            momentum=training.momentum, nesterov=True, **shared
        )
    elif training.optimizer == "adam":
        optimizer = keras.optimizers.Adam(**shared)
    else:
        optimizer = keras.optimizers.AdamW(weight_decay=training.weight_decay, **shared)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    # Keras calls this at the end of `fit` to write the average over the weights, but
    # training may go on from the weights.
    optimizer.finalize_variable_values = lambda var_list: None
    optimizer._update_model_variables_moving_average = _moving_average(optimizer)
    return optimizer


def _moving_average(
    optimizer: keras.Optimizer,
) -> Callable[[Sequence[Tensor]], None]:
    """Return a function that updates the moving average, in place of Keras' method."""

    def update(variables: Sequence[Tensor]) -> None:
        if not optimizer.use_ema:
            return
        done = ops.cast(optimizer._iterations, "float32")
        # 0 at the first batch, when there is no average yet.
        kept = ops.minimum(done / (done + 10), optimizer.ema_momentum)
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(variables, averages, strict=True):
            average.assign(kept * average + (1 - kept) * variable)

    return update


def slow_down(
    optimizer: keras.Optimizer, variables: Sequence[Tensor], share: float
) -> None:
    """Let an optimizer move some variables at a share of its rate, decay included.

    Their gradients stay as they are: Adam would undo any scale of them.
    """
    slow = {optimizer._var_key(variable) for variable in variables}
    update, decay, whole = (
        optimizer.update_step,
        optimizer._apply_weight_decay,
        optimizer.weight_decay,
    )

    def update_step(gradient: Tensor, variable: Tensor, rate: Tensor) -> None:
        is_slow = optimizer._var_key(variable) in slow
        update(gradient, variable, rate * share if is_slow else rate)

    def apply_weight_decay(variables: Sequence[Tensor]) -> None:
        for is_slow, factor in (False, 1.0), (True, share):
            optimizer.weight_decay = whole * factor
            decay([v for v in variables if (optimizer._var_key(v) in slow) == is_slow])
        optimizer.weight_decay = whole

    optimizer.update_step = update_step
    if whole:
        optimizer._apply_weight_decay = apply_weight_decay


def _cosine(share: Tensor) -> Tensor:
    """Return half a wave: 0 at a share of 0, 1 at 1."""
    return (1 - ops.cos(math.pi * share)) / 2
