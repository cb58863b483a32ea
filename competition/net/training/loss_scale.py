"""The scale of the loss in float16, whose small gradients would become 0."""

from collections.abc import Sequence
from typing import Any

import keras

Tensor = Any


class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras' optimizer of this name, which asks all mirrored GPUs for infinities.

    Keras asks the first GPU alone, before gradients are summed: an infinity of another
    would reach the weights of all.
    """

    def check_finite(self, grads: Sequence[Tensor | None]) -> Tensor:
        """Return whether the gradients of all devices are finite."""
        finite = super().check_finite(grads)
        if keras.backend.backend() != "tensorflow":
            # The arrays of JAX are those of all devices.
            return finite
        from competition.net import tensorflow_backend

        return tensorflow_backend.on_every_replica(finite)
