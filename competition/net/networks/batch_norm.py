"""Batch normalisation that costs a CPU little."""

from typing import Any

import keras
from keras import layers, ops

Tensor = Any


class BatchNormalization(layers.BatchNormalization):
    """Keras' layer of this name, which TensorFlow can compute in one operation.

    Keras uses some twenty operations, each of which reads and writes all features, in
    float32 even if the network computes in bfloat16. In a U-Net on a CPU they took a
    tenth of a training step, in bfloat16 a quarter. Under XLA the one operation is not
    used: XLA fuses the many itself, and computes the variance of the one as a
    difference that can be negative. Files of weights hold the names of classes, so
    either layer loads what the other saved.
    """

    one_operation = False

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the features, each channel normalised; in training, move the means."""
        if not self.one_operation or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training)
        from competition.net import tensorflow_backend

        scale, offset, mean, variance = (
            ops.convert_to_tensor(each)
            for each in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        learns = training and self.trainable
        outputs, used_mean, used_variance = tensorflow_backend.batch_normalise(
            inputs,
            scale,
            offset,
            epsilon=self.epsilon,
            moving=None if learns else (mean, variance),
        )
        if learns:
            old, new = self.momentum, 1 - self.momentum
            self.moving_mean.assign(mean * old + used_mean * new)
            self.moving_variance.assign(variance * old + used_variance * new)
        return outputs


def in_one_operation(network: keras.Model) -> None:
    """Compute a network's batch normalisations in one operation each, without XLA."""
    # In parts that are recomputed, these layers are inside of other layers.
    for layer in network._flatten_layers():
        if isinstance(layer, BatchNormalization):
            layer.one_operation = True
