"""Encoders of keras.applications in the place of a network's own.

Their preprocessing is left out. They see a stack of K slices in 0..1 and, as the last
channel, a plane of ones. The weights of that plane subtract the mean of ImageNet, so
that padding with zeros stays padding with the mean.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import applications, layers, ops

from competition.core.experiment import configs
from competition.net.networks import blocks

Tensor = Any
# Mean and standard deviation of ImageNet's images, RGB in 0..1.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEPTH = 5
SMALLEST = 32


@dataclasses.dataclass(frozen=True)
class EncoderFamily:
    """The encoders of one kind: their layers, by the ends of names, and their input.

    `halving` are the layers that receive the features of each size, the finest first;
    `stem` is the first convolution. `mean` and `deviation` are of the images that the
    published weights were trained on, in 0..1.
    """

    halving: tuple[str, ...]
    stem: str
    mean: tuple[float, float, float] = IMAGENET[0]
    deviation: tuple[float, float, float] = IMAGENET[1]
    # Built with these options an application has no preprocessing layers; where there
    # is no such option, they come before the layer `first`.
    options: tuple[tuple[str, bool], ...] = (("include_preprocessing", False),)
    first: str | None = None
    # Height and width of the images must be multiples of it.
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
# Their weights were trained on pixels in -1..1.
V2_LARGE = dataclasses.replace(V2, mean=(128 / 255,) * 3, deviation=(128 / 255,) * 3)
# The first layer halves twice, and drops pixels that do not fill a patch of 4 x 4.
CONVNEXT = EncoderFamily(
    halving=tuple(f"downsampling_block_{number}" for number in range(3)),
    stem="stem",
    multiple=32,
)
# Their weights were trained on BGR in 0..255 less its mean.
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

    The network's own encoder halves once less than it has widths. Over an encoder of
    keras.applications the stack itself is the finest skip, and where the encoder has no
    features of a size, the stack shrunk to it.
    """
    model = config.model
    if model.encoder == "none":
        return blocks.encode(stack, model)
    _check(config)
    ones = ops.ones_like(stack[..., :1])
    joined = layers.Concatenate(name="stack_and_ones")([stack, ones])
    encoder = build(model.encoder, joined.shape[1:], halvings=halvings)
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = model.norm_momentum
    features = encoder(joined)
    skips = [stack]
    while len(skips) + len(features) <= halvings:
        name = f"stack_{2 ** len(skips)}"
        skips.append(layers.AveragePooling2D(2, padding="same", name=name)(skips[-1]))
    return [*skips, *features[:-1]], features[-1]


def build(name: str, shape: tuple[int, int, int], *, halvings: int) -> keras.Model:
    """Build an encoder of random weights: images (H, W, K) to its features by size."""
    whole = application(name, shape, weights=None)
    return extract(whole, APPLICATIONS[name][1], halvings=halvings)


def application(
    name: str, shape: tuple[int | None, int | None, int], *, weights: str | None
) -> keras.Model:
    """Build one of keras.applications without top on images of any channels."""
    application_class, family = APPLICATIONS[name]
    # Keras warns of an input shape of other than three channels, not of a tensor.
    image = keras.Input(shape)
    return application_class(
        include_top=False, weights=weights, input_tensor=image, **dict(family.options)
    )


def extract(whole: keras.Model, family: EncoderFamily, *, halvings: int) -> keras.Model:
    """Extract the layers of an application from its stem to the last features.

    `whole` ends at a 32nd of the input's size, the result after `halvings` halvings.
    """
    features = [find_layer(whole, ending).input for ending in family.halving]
    features.append(whole.output)
    image = find_layer(whole, family.first).input if family.first else whole.inputs[0]
    last = len(features) - (DEPTH - halvings)
    return keras.Model(image, features[:last], name="encoder")


def find_layer(whole: keras.Model, ending: str) -> keras.layers.Layer:
    """Return the first layer whose name has this ending.

    In some applications names begin with that of the model.
    """
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
