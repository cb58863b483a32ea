"""Parts of a network whose features are computed again for the gradients.

A training step keeps the output of every layer until it needs it for the gradients. Of
such a part it keeps only the input: this takes less memory, and the time of another
forward pass (gradient checkpointing).
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from competition.core.experiment import schema

Tensor = Any


def apply(
    part: Callable[[Tensor], Tensor], x: Tensor, model: schema.Model, *, name: str
) -> Tensor:
    """Return what a part of a network makes of `x`; with `remat` it is recomputed."""
    if not model.remat:
        return part(x)
    received = keras.Input(x.shape[1:], dtype=x.dtype)
    return Recomputed(keras.Model(received, part(received)), name=name)(x)


class Recomputed(layers.Layer):
    """Calls a model, and calls it again when the gradients are computed."""

    def __init__(self, part: keras.Model, *, name: str) -> None:
        super().__init__(name=name)
        self.part = part

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Return what the model returns."""
        if not training:
            return self.part(x, training=training)
        others = self.part.non_trainable_variables
        # Copies: on TensorFlow a value is the variable itself, which would have its
        # next state when dropout is computed again.
        states = [ops.copy(variable.value) for variable in others]

        def run(x: Tensor, *trained: Tensor) -> tuple[Tensor, list[Tensor]]:
            return self.part.stateless_call(trained, states, x, training=True)

        trained = [variable.value for variable in self.part.trainable_variables]
        outputs, states_after = keras.remat(run)(x, *trained)
        # Means of a normalisation and states of dropout change once, not twice.
        for variable, value in zip(others, states_after, strict=True):
            variable.assign(value)
        return outputs
