"""The parts that the networks are made of, as functions on Keras tensors.

Features of images are (B, H, W, C), those of volumes (B, H, W, D, C). Pooling rounds
sizes up and upsampling crops to the skip, so any input size works.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import batch_norm, doubling, recomputed

Tensor = Any
# Returns a skip's replacement from the skip, the coarser features and a `name`.
Gate = Callable[..., Tensor]


def layer_for(x: Tensor, name: str) -> Any:
    """Return the Keras layer for features like `x`: "Conv" is Conv2D or Conv3D."""
    return getattr(layers, f"{name}{len(x.shape) - 2}D")


def stack_input(config: configs.Config) -> Tensor:
    """Return the input of a network: a normalised stack (H, W, K).

    With `position` a plane of the slice's place in its scan comes last.
    """
    height, width = config.geometry.frame
    planes = len(config.slices) + config.position
    return keras.Input((height, width, planes), name="stack")


def check_levels(model: schema.Model, least: int, *, reason: str) -> None:
    """Refuse a config with fewer widths than its architecture needs."""
    if len(model.widths) < least:
        raise ValueError(
            f"`model.widths` needs at least {least} levels for architecture = "
            f'"{model.architecture}", since {reason}. Received: {list(model.widths)}. '
            "Add a width or use another architecture."
        )


def conv_block(x: Tensor, width: int, model: schema.Model, *, name: str) -> Tensor:
    """Apply convolution, normalisation and ReLU twice; the size stays."""

    def block(x: Tensor) -> Tensor:
        x = conv(x, width, model, name=f"{name}_1")
        if model.dropout:
            x = layer_for(x, "SpatialDropout")(model.dropout, name=f"{name}_dropout")(x)
        return conv(x, width, model, name=f"{name}_2")

    return recomputed.apply(block, x, model, name=name)


def conv(
    x: Tensor,
    width: int,
    model: schema.Model,
    *,
    name: str,
    size: int = 3,
    dilation: int = 1,
) -> Tensor:
    """Apply convolution to `width` channels, normalisation and ReLU; the size stays."""
    x = layer_for(x, "Conv")(
        width,
        size,
        padding="same",
        dilation_rate=dilation,
        # The normalisation's beta takes its place.
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = normalise(x, model, name=f"{name}_norm")
    return layers.ReLU(name=f"{name}_relu")(x)


def normalise(x: Tensor, model: schema.Model, *, name: str) -> Tensor:
    """Apply the normalisation that the config names."""
    if model.norm == "batch":
        momentum = model.norm_momentum
        return batch_norm.BatchNormalization(momentum=momentum, name=name)(x)
    width = x.shape[-1]
    # Each channel is a group of its own, or a group holds an eighth of the channels.
    groups = width if model.norm == "instance" else math.gcd(width, 8)
    return layers.GroupNormalization(groups, name=name)(x)


def encode(x: Tensor, model: schema.Model) -> list[Tensor]:
    """Return the features of every level, finest first: the skips and the bottom.

    Features of level l have half the size of level l - 1, rounded up, and widths[l].
    """
    features = []
    for level, width in enumerate(model.widths[:-1]):
        x = conv_block(x, width, model, name=f"encoder{level}")
        features.append(x)
        # TensorFlow on a CPU cannot pool volumes of float16.
        dtype = "float32" if len(x.shape) == 5 else None
        x = layer_for(x, "MaxPooling")(
            strides(x), padding="same", dtype=dtype, name=f"pool{level}"
        )(x)
    return [*features, conv_block(x, model.widths[-1], model, name="bottom")]


def decode(
    features: list[Tensor], model: schema.Model, *, gate: Gate | None = None
) -> list[Tensor]:
    """Return the decoded features of every level, finest first, the bottom last.

    Each level brings those below to the size of its skip, which a `gate` may replace,
    and joins the two.
    """
    *skips, bottom = features
    decoded = [bottom]
    for level, skip in reversed(list(enumerate(skips))):
        # As in the paper on gates, the finest skip has none.
        if gate and level:
            skip = gate(skip, decoded[0], name=f"gate{level}")
        width = model.widths[level]
        x = double(decoded[0], skip, width=width, name=f"up{level}")
        x = layers.Concatenate(name=f"join{level}")([skip, x])
        decoded.insert(0, conv_block(x, width, model, name=f"decoder{level}"))
    return decoded


def strides(x: Tensor) -> tuple[int, ...]:
    """Return how many times smaller pooling makes each side of features like `x`."""
    if len(x.shape) == 4:
        return 2, 2
    # A volume is flatter than it is wide: a depth below 4 is not halved.
    return 2, 2, 2 if x.shape[3] >= 4 else 1


def double(x: Tensor, skip: Tensor, *, width: int, name: str) -> Tensor:
    """Bring `x` to `width` channels and to the size of the skip, twice its own."""
    factors = strides(skip)
    transposed = getattr(doubling, f"Conv{len(factors)}DTranspose")
    x = transposed(width, factors, strides=factors, name=name)(x)
    return crop(x, skip, name=f"{name}_crop")


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
    """Return the power of 2 by which a size was divided, rounding up."""
    ratio = max(large[0] / small[0], large[1] / small[1])
    return 1 << math.ceil(math.log2(ratio))


def crop(x: Tensor, like: Tensor, *, name: str) -> Tensor:
    """Remove the pixels that doubling an odd size added at the end of each side."""
    sides = range(1, len(x.shape) - 1)
    margins = tuple((0, x.shape[side] - like.shape[side]) for side in sides)
    if not any(surplus for _, surplus in margins):
        return x
    return layer_for(x, "Cropping")(margins, dtype=x.dtype, name=name)(x)
