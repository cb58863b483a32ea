"""Encoders with published weights, in place of a network's own encoder.

They see a stack of K slices in 0..1 without further preprocessing and, as the last
channel, a plane of ones. The weights of that plane subtract the mean of ImageNet, so
that padding with zeros stays padding with the mean.
"""

from typing import Any

from keras import layers, ops

from competition.core.experiment import configs
from competition.net.networks import blocks
from competition.net.networks.encoders import families, weights

Tensor = Any
# Every encoder halves the image this often.
DEPTH = 5
SMALLEST = 32
load_weights = weights.load
check_weights = weights.check


def encode(
    stack: Tensor, config: configs.Config, *, halvings: int = DEPTH
) -> list[Tensor]:
    """Return features of all sizes, finest first, the last one halved `halvings` times.

    The network's own encoder halves once less than it has widths. With any other
    encoder the stack itself comes first; for a size of which the encoder has no
    features, the stack shrunk to this size is used.
    """
    model = config.model
    if model.encoder == "none":
        return blocks.encode(stack, model)
    family = families.FAMILIES[model.encoder]
    ones = ops.ones_like(stack[..., :1])
    joined = layers.Concatenate(name="stack_and_ones")([stack, ones])
    whole = family.build(model.encoder, joined.shape[1:])
    leave_out = DEPTH - halvings
    encoder = family.extract(whole, leave_out=leave_out, remat=model.remat)
    # Some encoders have them inside of other layers.
    for layer in encoder._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = model.norm_momentum
    features = encoder(joined)
    skips = [stack]
    while len(skips) + len(features) <= halvings:
        name = f"stack_{2 ** len(skips)}"
        skips.append(layers.AveragePooling2D(2, padding="same", name=name)(skips[-1]))
    return [*skips, *features]


def check(config: configs.Config) -> None:
    """Raise an error for widths and sizes that the encoder cannot take.

    The sizes are those of training and of inference.
    """
    model, geometry = config.model, config.geometry
    if model.encoder == "none":
        return
    multiple = families.FAMILIES[model.encoder].multiple
    if len(model.widths) != DEPTH:
        raise ValueError(
            f"With an encoder `model.widths` are the widths of the decoder: {DEPTH}, "
            f"since {model.encoder} halves the image {DEPTH} times. Received: "
            f"{list(model.widths)}. Use [16, 32, 64, 128, 256]."
        )
    sizes = [("crop", size) for size in geometry.crop]
    if not config.submit.windows:
        sizes += [("height", geometry.height), ("width", geometry.width)]
    for key, size in sizes:
        if size < SMALLEST or size % multiple:
            below = size // multiple * multiple
            fitting = sorted({max(SMALLEST, below), max(SMALLEST, below + multiple)})
            raise ValueError(
                f"`geometry.{key}` must be at least {SMALLEST} and divide by "
                f"{multiple} for the encoder {model.encoder}. Received: {size}. "
                f"Use {' or '.join(map(str, fitting))}."
            )
