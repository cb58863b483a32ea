"""The parts that the networks are made of, as functions on Keras tensors (B, H, W, C).

Pooling rounds sizes up and upsampling crops to the skip, so any input size works.
"""

import math
from typing import Any

import keras
from keras import layers

from competition.core.experiment import configs, schema

Tensor = Any

# A group of channels that are normalised together holds an eighth of them.
GROUPS = 8


def stack_input(config: configs.Config) -> Tensor:
    """The input of a network: a normalised stack (H, W, K)."""
    geometry = config.geometry
    shape = geometry.height, geometry.width, len(config.slices)
    return keras.Input(shape, name="stack")


def conv_block(x: Tensor, width: int, model: schema.Model, *, name: str) -> Tensor:
    """Convolution, normalisation, ReLU, twice; the size stays, channels = `width`."""
    x = conv(x, width, model, name=f"{name}_1")
    if model.dropout:
        x = layers.SpatialDropout2D(model.dropout, name=f"{name}_dropout")(x)
    return conv(x, width, model, name=f"{name}_2")


def conv(
    x: Tensor,
    width: int,
    model: schema.Model,
    *,
    name: str,
    size: int = 3,
    dilation: int = 1,
) -> Tensor:
    """Convolution, normalisation and ReLU; the size stays, channels = `width`."""
    # The normalisation's beta takes the place of the bias.
    x = layers.Conv2D(
        width,
        size,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = normalise(x, model, name=f"{name}_norm")
    return layers.ReLU(name=f"{name}_relu")(x)


def normalise(x: Tensor, model: schema.Model, *, name: str) -> Tensor:
    """Normalise over the batch, over groups of channels, or over each channel alone."""
    if model.norm == "batch":
        return layers.BatchNormalization(momentum=model.norm_momentum, name=name)(x)
    width = x.shape[-1]
    groups = width if model.norm == "instance" else math.gcd(width, GROUPS)
    return layers.GroupNormalization(groups, name=name)(x)


def encode(x: Tensor, model: schema.Model) -> tuple[list[Tensor], Tensor]:
    """Return the skips, finest first, and the deepest features.

    A skip at level l has half the size of that at l - 1, rounded up, and widths[l].
    """
    skips = []
    for level, width in enumerate(model.widths[:-1]):
        x = conv_block(x, width, model, name=f"encoder{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{level}")(x)
    return skips, conv_block(x, model.widths[-1], model, name="bottom")


def decode(x: Tensor, skip: Tensor, model: schema.Model, *, level: int) -> Tensor:
    """Bring `x` to the size of the skip at `level`, join the two and convolve."""
    width = model.widths[level]
    x = double(x, skip, width=width, name=f"up{level}")
    x = layers.Concatenate(name=f"join{level}")([skip, x])
    return conv_block(x, width, model, name=f"decoder{level}")


def double(x: Tensor, like: Tensor, *, width: int, name: str) -> Tensor:
    """Bring `x` to `width` channels and to the size of `like`, which is twice its own.

    Or twice its own less one.
    """
    # As fast as a 1 x 1 convolution before nearest upsampling, and in one layer.
    x = layers.Conv2DTranspose(width, 2, strides=2, name=name)(x)
    return crop(x, like, name=f"{name}_crop")


def enlarge(x: Tensor, like: Tensor, *, name: str) -> Tensor:
    """Bring `x` to the size of `like`, which is a power of 2 larger, bilinearly."""
    scale = factor(like.shape[1:3], x.shape[1:3])
    if scale > 1:
        # Logits stay float32.
        x = layers.UpSampling2D(
            scale, interpolation="bilinear", dtype=x.dtype, name=name
        )(x)
    return crop(x, like, name=f"{name}_crop")


def factor(large: tuple[int, int], small: tuple[int, int]) -> int:
    """Return the power of 2 between two sizes, `small` having been rounded up."""
    ratio = max(large[0] / small[0], large[1] / small[1])
    return 1 << math.ceil(math.log2(ratio))


def crop(x: Tensor, like: Tensor, *, name: str) -> Tensor:
    """Cut the last rows and columns that doubling odd sizes has added."""
    rows = x.shape[1] - like.shape[1]
    columns = x.shape[2] - like.shape[2]
    if not rows and not columns:
        return x
    margins = (0, rows), (0, columns)
    return layers.Cropping2D(margins, dtype=x.dtype, name=name)(x)
