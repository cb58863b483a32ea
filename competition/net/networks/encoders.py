"""Encoders of keras.applications in the place of a network's own.

Their own preprocessing is left out. They see a stack of K slices in 0..1 and, as the
last channel, a plane of ones: what takes a mean away multiplies that plane, so that
padding with zeros stays padding with the mean.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import applications, layers, ops

from competition.core.experiment import configs
from competition.net.networks import blocks

Tensor = Any
# Of RGB in 0..1, as ImageNet has it.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEPTH = 5
SMALLEST = 32


@dataclasses.dataclass(frozen=True)
class EncoderFamily:
    """What the encoders of one kind have in common.

    `halving` ends the names of the layers that receive the features of each size, the
    finest first; `stem` that of the first convolution.
    """

    halving: tuple[str, ...]
    stem: str
    mean: tuple[float, float, float] = IMAGENET[0]
    deviation: tuple[float, float, float] = IMAGENET[1]
    # With these it has no preprocessing layers, or they come before `first`.
    options: tuple[tuple[str, bool], ...] = (("include_preprocessing", False),)
    first: str | None = None
    multiple: int = 1


V1 = EncoderFamily(
    halving=tuple(f"block{number}a_dwconv_pad" for number in (2, 3, 4, 6)),
    stem="stem_conv",
    options=(),
    first="stem_conv_pad",
)
V2 = EncoderFamily(
    halving=(
        "block2a_expand_conv",
        "block3a_expand_conv",
        "block4a_dwconv2",
        "block6a_dwconv2",
    ),
    stem="stem_conv",
)
# Trained on -1..1.
V2_LARGE = dataclasses.replace(V2, mean=(128 / 255,) * 3, deviation=(128 / 255,) * 3)
# It halves twice at once, and drops what does not fill a patch.
CONVNEXT = EncoderFamily(
    halving=tuple(f"downsampling_block_{number}" for number in range(3)),
    stem="stem",
    multiple=32,
)
# Trained on BGR in 0..255 less its mean.
RESNET = EncoderFamily(
    halving=("pool1_pad", *(f"conv{number}_block1_1_conv" for number in (3, 4, 5))),
    stem="conv1_conv",
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
    deviation=(1 / 255,) * 3,
    options=(),
)

APPLICATIONS: dict[str, tuple[Callable[..., keras.Model], EncoderFamily]] = {
    "EfficientNetB0": (applications.EfficientNetB0, V1),
    "EfficientNetB1": (applications.EfficientNetB1, V1),
    "EfficientNetB2": (applications.EfficientNetB2, V1),
    "EfficientNetB3": (applications.EfficientNetB3, V1),
    "EfficientNetB4": (applications.EfficientNetB4, V1),
    "EfficientNetB5": (applications.EfficientNetB5, V1),
    "EfficientNetB6": (applications.EfficientNetB6, V1),
    "EfficientNetB7": (applications.EfficientNetB7, V1),
    "EfficientNetV2B0": (applications.EfficientNetV2B0, V2),
    "EfficientNetV2B1": (applications.EfficientNetV2B1, V2),
    "EfficientNetV2B2": (applications.EfficientNetV2B2, V2),
    "EfficientNetV2B3": (applications.EfficientNetV2B3, V2),
    "EfficientNetV2S": (applications.EfficientNetV2S, V2_LARGE),
    "EfficientNetV2M": (applications.EfficientNetV2M, V2_LARGE),
    "EfficientNetV2L": (applications.EfficientNetV2L, V2_LARGE),
    "ConvNeXtTiny": (applications.ConvNeXtTiny, CONVNEXT),
    "ConvNeXtSmall": (applications.ConvNeXtSmall, CONVNEXT),
    "ConvNeXtBase": (applications.ConvNeXtBase, CONVNEXT),
    "ConvNeXtLarge": (applications.ConvNeXtLarge, CONVNEXT),
    "ConvNeXtXLarge": (applications.ConvNeXtXLarge, CONVNEXT),
    "ResNet50": (applications.ResNet50, RESNET),
    "ResNet101": (applications.ResNet101, RESNET),
    "ResNet152": (applications.ResNet152, RESNET),
}


def encode(
    stack: Tensor, config: configs.Config, *, halvings: int = DEPTH
) -> tuple[list[Tensor], Tensor]:
    """Return skips, finest first, and the deepest features, halved `halvings` times.

    The network's own encoder halves once less than it has widths. Over another the
    stack is the finest skip, made smaller where the encoder has no features.
    """
    model = config.model
    if model.encoder == "none":
        return blocks.encode(stack, model)
    _check(config)
    ones = ops.ones_like(stack[..., :1])
    joined = layers.Concatenate(name="stack_and_ones")([stack, ones])
    encoder = bare(model.encoder, joined.shape[1:], halvings=halvings)
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = model.norm_momentum
    found = encoder(joined)
    skips = [stack]
    while len(skips) + len(found) <= halvings:
        name = f"stack_{2 ** len(skips)}"
        skips.append(layers.AveragePooling2D(2, padding="same", name=name)(skips[-1]))
    return [*skips, *found[:-1]], found[-1]


def bare(name: str, shape: tuple[int, int, int], *, halvings: int) -> keras.Model:
    """Build an encoder without preprocessing, weights random: its features by size."""
    whole = application(name, shape, weights=None)
    return cut(whole, APPLICATIONS[name][1], halvings=halvings)


def application(
    name: str, shape: tuple[int | None, int | None, int], *, weights: str | None
) -> keras.Model:
    """Build one of keras.applications without top on images of any channels."""
    make, family = APPLICATIONS[name]
    # An input shape of other than three channels would be warned of.
    source = keras.Input(shape)
    options = dict(family.options)
    return make(include_top=False, weights=weights, input_tensor=source, **options)


def cut(whole: keras.Model, family: EncoderFamily, *, halvings: int) -> keras.Model:
    """Take from an application what lies between preprocessing and the last features.

    `whole` ends at a 32nd of the input's size.
    """
    features = [layer(whole, ending).input for ending in family.halving]
    features.append(whole.output)
    first = layer(whole, family.first).input if family.first else whole.inputs[0]
    kept = features[: len(features) - (DEPTH - halvings)]
    return keras.Model(first, kept, name="encoder")


def layer(whole: keras.Model, ending: str) -> keras.layers.Layer:
    """Return the first layer whose name ends so; some names begin with the model's."""
    return next(layer for layer in whole.layers if layer.name.endswith(ending))


def _check(config: configs.Config) -> None:
    model, geometry = config.model, config.geometry
    if len(model.widths) != DEPTH:
        raise ValueError(
            f"`model.widths` over an encoder are those of the decoder, and {DEPTH}, "
            f"since {model.encoder} halves the image {DEPTH} times. Received: "
            f"{list(model.widths)}. Use [16, 32, 64, 128, 256]."
        )
    multiple = APPLICATIONS[model.encoder][1].multiple
    for key, size in (("height", geometry.height), ("width", geometry.width)):
        if size < SMALLEST or size % multiple:
            below = size // multiple * multiple
            fitting = sorted({max(SMALLEST, below), max(SMALLEST, below + multiple)})
            raise ValueError(
                f"`geometry.{key}` must be at least {SMALLEST} and divide by "
                f"{multiple} for the encoder {model.encoder}. Received: {size}. "
                f"Use {' or '.join(map(str, fitting))}."
            )
