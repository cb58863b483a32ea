"""The learning rate: how it rises in the warm-up and falls to nothing after it."""

import math
from typing import Any

import keras
from keras import ops

from competition.core.experiment import schema

Tensor = Any
# Where one cycle begins and ends, as shares of its peak.
FROM, TO = 1 / 25, 1e-4


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of every step of a fold.

    "cosine" and "polynomial" rise evenly and fall to 0 as their name says; "one_cycle"
    rises from a 25th of the peak and falls to a 10,000th, both as a cosine.
    """

    def __init__(
        self, training: schema.Training, *, steps: int, first: int = 0
    ) -> None:
        self.kind = training.schedule
        self.peak = training.learning_rate
        self.power = training.power
        self.total = steps * training.epochs
        self.warmup = max(1, round(training.warmup * self.total))
        # A new optimizer counts its steps from 0, whichever step it begins with.
        self.first = first

    def __call__(self, step: Tensor) -> Tensor:
        """Return the rate of a step, counted from 0."""
        step = ops.cast(step, "float32") + self.first
        # The first step has a rate already, or it would teach nothing.
        risen = ops.minimum((step + 1) / self.warmup, 1.0)
        done = (step - self.warmup) / max(1, self.total - self.warmup)
        done = ops.clip(done, 0.0, 1.0)
        return self.peak * ops.where(risen < 1, self._rise(risen), self._fall(done))

    def _rise(self, share: Tensor) -> Tensor:
        if self.kind == "one_cycle":
            return FROM + (1 - FROM) * _cosine(share)
        return share

    def _fall(self, share: Tensor) -> Tensor:
        if self.kind == "polynomial":
            return ops.power(1 - share, self.power)
        end = TO if self.kind == "one_cycle" else 0.0
        return end + (1 - end) * (1 - _cosine(share))

    def get_config(self) -> dict[str, Any]:
        """What the rate depends on."""
        return {"kind": self.kind, "peak": self.peak, "total": self.total}


def build_optimizer(
    training: schema.Training, *, steps: int, first: int = 0
) -> keras.Optimizer:
    """Build the optimizer of a fold of `steps` batches an epoch, from batch `first`.

    It may keep an average of the weights; `fit` leaves that where it is.
    """
    shared = {
        "learning_rate": Schedule(training, steps=steps, first=first),
        "global_clipnorm": training.clip_norm or None,
        "use_ema": training.ema > 0,
        # The average is taken at every batch, the weights move at every step.
        "ema_momentum": training.ema ** (1 / training.accumulate),
        "gradient_accumulation_steps": (
            training.accumulate if training.accumulate > 1 else None
        ),
        # Fixed, as the names of the variables follow from it.
        "name": "optimizer",
    }
    if training.optimizer == "sgd":
        return _SGD(momentum=training.momentum, nesterov=True, **shared)
    if training.optimizer == "adam":
        return _Adam(**shared)
    optimizer = _AdamW(weight_decay=training.weight_decay, **shared)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


class _Kept:
    """An optimizer whose average `fit` does not write over the weights at its end."""

    def finalize_variable_values(self, var_list: Any) -> None:
        """Leave the weights: training may go on from them."""


class _AdamW(_Kept, keras.optimizers.AdamW):
    """AdamW."""


class _Adam(_Kept, keras.optimizers.Adam):
    """Adam."""


class _SGD(_Kept, keras.optimizers.SGD):
    """SGD with Nesterov's momentum."""


def _cosine(share: Tensor) -> Tensor:
    """From 0 to 1 as a half wave."""
    return (1 - ops.cos(math.pi * share)) / 2
