"""The parts that the networks are made of, as functions on Keras tensors (B, H, W, C).

Pooling rounds sizes up and upsampling crops to the skip, so any input size works.
"""

from typing import Any

import keras
from keras import layers

from competition.core import config

Tensor = Any


def conv_block(x: Tensor, width: int, model: config.Model, *, name: str) -> Tensor:
    """Convolution, normalisation, ReLU, twice; the size stays, channels = `width`."""
    x = _conv_norm_relu(x, width, model, name=f"{name}_1")
    if model.dropout:
        x = layers.SpatialDropout2D(model.dropout, name=f"{name}_dropout")(x)
    return _conv_norm_relu(x, width, model, name=f"{name}_2")


def _conv_norm_relu(x: Tensor, width: int, model: config.Model, *, name: str) -> Tensor:
    # The normalisation's beta takes the place of the bias.
    x = layers.Conv2D(
        width,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=model.norm_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def encode(x: Tensor, model: config.Model) -> tuple[list[Tensor], Tensor]:
    """Return the skips, finest first, and the deepest features.

    A skip at level l has half the size of that at l - 1, rounded up, and widths[l].
    """
    skips = []
    for level, width in enumerate(model.widths[:-1]):
        x = conv_block(x, width, model, name=f"encoder{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{level}")(x)
    return skips, conv_block(x, model.widths[-1], model, name="bottom")


def decode(x: Tensor, skip: Tensor, model: config.Model, *, level: int) -> Tensor:
    """Bring `x` to the size of the skip at `level`, join the two and convolve."""
    width = model.widths[level]
    # As fast as a 1 x 1 convolution before nearest upsampling, and in one layer.
    x = layers.Conv2DTranspose(width, 2, strides=2, name=f"up{level}")(x)
    x = crop(x, skip, name=f"up{level}_crop")
    x = layers.Concatenate(name=f"join{level}")([skip, x])
    return conv_block(x, width, model, name=f"decoder{level}")


def crop(x: Tensor, like: Tensor, *, name: str) -> Tensor:
    """Cut the last row or column that doubling an odd size has added."""
    rows = x.shape[1] - like.shape[1]
    columns = x.shape[2] - like.shape[2]
    if not rows and not columns:
        return x
    return layers.Cropping2D(((0, rows), (0, columns)), name=name)(x)


def head(x: Tensor, classes: int) -> Tensor:
    """Logits (B, H, W, classes), float32 whatever the policy."""
    return layers.Conv2D(classes, 1, dtype="float32", name="logits")(x)


def stack_input(config: config.Config) -> Tensor:
    """The input of a network: a normalised stack (H, W, K)."""
    geometry = config.geometry
    shape = geometry.height, geometry.width, len(config.slices)
    return keras.Input(shape, name="stack")
