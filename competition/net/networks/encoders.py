"""Encoders of keras.applications in the place of a network's own, and their weights.

They see a stack of K slices in 0..1 without further preprocessing and, as the last
channel, a plane of ones. The weights of that plane subtract the mean of ImageNet, so
that padding with zeros stays padding with the mean.
"""

import dataclasses
import os
import pathlib
from typing import Any

import keras
import numpy as np
from keras import applications, layers, ops

from competition.core import locks
from competition.core.experiment import configs
from competition.machine import backend
from competition.net import weights_file
from competition.net.networks import blocks

Tensor = Any
# Mean and standard deviation of ImageNet's images, RGB in 0..1.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Every encoder halves the image this often.
DEPTH = 5
SMALLEST = 32
# As long as another process may take to download what both need.
DOWNLOAD_SECONDS = 3600.0


@dataclasses.dataclass(frozen=True)
class EncoderFamily:
    """The encoders of one kind: their layers, by the ends of names, and their input.

    `halving` are the layers that receive the features of each size, the finest first.
    `mean` and `deviation` are of the images that the published weights were trained on,
    in 0..1.
    """

    halving: tuple[str, ...]
    mean: tuple[float, float, float] = IMAGENET[0]
    deviation: tuple[float, float, float] = IMAGENET[1]
    # The first layer after the preprocessing, which is cut off. None where Keras builds
    # the application without preprocessing.
    first: str | None = None
    # Height and width of the images must be multiples of it.
    multiple: int = 1


V1 = EncoderFamily(
    halving=tuple(f"block{number}a_dwconv_pad" for number in (2, 3, 4, 6)),
    first="stem_conv_pad",
)
V2 = EncoderFamily(
    halving=("block2a_expand_conv", "block3a_expand_conv", "block4a_dwconv2",
             "block6a_dwconv2"),
)  # fmt: skip
# Their weights were trained on pixels in -1..1.
V2_LARGE = dataclasses.replace(V2, mean=(128 / 255,) * 3, deviation=(128 / 255,) * 3)
# The first layer halves twice, and drops pixels that do not fill a patch of 4 x 4.
CONVNEXT = EncoderFamily(
    halving=tuple(f"downsampling_block_{number}" for number in range(3)),
    multiple=32,
)
# Their weights were trained on BGR in 0..255 less its mean.
RESNET = EncoderFamily(
    halving=("pool1_pad", *(f"conv{number}_block1_1_conv" for number in (3, 4, 5))),
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
    deviation=(1 / 255,) * 3,
    first="conv1_pad",
)
# By the names of keras.applications.
FAMILIES = {
    **{f"EfficientNetB{size}": V1 for size in range(8)},
    **{f"EfficientNetV2B{size}": V2 for size in range(4)},
    **{f"EfficientNetV2{size}": V2_LARGE for size in "SML"},
    **{f"ConvNeXt{size}": CONVNEXT for size in "Tiny Small Base Large XLarge".split()},
    **{f"ResNet{size}": RESNET for size in (50, 101, 152)},
}


def encode(
    stack: Tensor, config: configs.Config, *, halvings: int = DEPTH
) -> list[Tensor]:
    """Return features of all sizes, finest first, the last one halved `halvings` times.

    The network's own encoder halves once less than it has widths. Over an encoder of
    keras.applications the stack itself comes first, and where the encoder has no
    features of a size, the stack shrunk to it.
    """
    model = config.model
    if model.encoder == "none":
        return blocks.encode(stack, model)
    family = FAMILIES[model.encoder]
    _check(config, family.multiple)
    ones = ops.ones_like(stack[..., :1])
    joined = layers.Concatenate(name="stack_and_ones")([stack, ones])
    whole = application(model.encoder, joined.shape[1:])
    encoder = extract(whole, family, len(family.halving) + 1 - (DEPTH - halvings))
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = model.norm_momentum
    features = encoder(joined)
    skips = [stack]
    while len(skips) + len(features) <= halvings:
        name = f"stack_{2 ** len(skips)}"
        skips.append(layers.AveragePooling2D(2, padding="same", name=name)(skips[-1]))
    return [*skips, *features]


def application(
    name: str, shape: tuple[int | None, ...], *, weights: str | None = None
) -> keras.Model:
    """Build one of keras.applications without top on images of any channels."""
    options = {} if FAMILIES[name].first else {"include_preprocessing": False}
    # Keras warns of an input shape of other than three channels, not of a tensor.
    return getattr(applications, name)(
        include_top=False, weights=weights, input_tensor=keras.Input(shape), **options
    )


def extract(whole: keras.Model, family: EncoderFamily, count: int) -> keras.Model:
    """Return the application up to the finest `count` of its features, as a model."""

    def received_by(ending: str) -> Tensor:
        # In some applications the names of layers begin with that of the model.
        return next(x for x in whole.layers if x.name.endswith(ending)).input

    features = [*map(received_by, family.halving), whole.output]
    image = received_by(family.first) if family.first else whole.inputs[0]
    return keras.Model(image, features[:count], name="encoder")


def load_weights(network: keras.Model, config: configs.Config) -> None:
    """Load `model.encoder_weights` into a new network; "none" leaves it random.

    Keras downloads "imagenet"; any other value is the path of a file without top that
    keras.applications offers or that `save_weights` wrote.
    """
    if config.model.encoder_weights == "none":
        return
    family = FAMILIES[config.model.encoder]
    whole = _published(config.model.encoder, config.model.encoder_weights)
    ours = network.get_layer("encoder")
    values = extract(whole, family, len(ours.outputs)).get_weights()
    # The first weights are the kernel of the first convolution, whose input differs.
    slices = ours.weights[0].shape[2] - 1
    ours.set_weights([spread_kernel(values[0], slices, family), *values[1:]])


def spread_kernel(kernel: np.ndarray, slices: int, family: EncoderFamily) -> np.ndarray:
    """Turn a kernel (h, w, 3, out) into (h, w, slices + 1, out), the last for ones.

    On equal slices the result is that of the kernel on a grey image which was
    preprocessed as the encoder expects it.
    """
    scaled = kernel / np.reshape(family.deviation, (3, 1))
    shift = scaled * np.reshape(family.mean, (3, 1))
    of_slice = scaled.sum(axis=2, keepdims=True) / slices
    of_ones = -shift.sum(axis=2, keepdims=True)
    return np.concatenate([np.repeat(of_slice, slices, axis=2), of_ones], axis=2)


def _published(name: str, source: str) -> keras.Model:
    """Build an application on RGB images with the weights that `source` names."""
    shape = None, None, 3
    if source == "imagenet":
        doing = f"downloading the weights of {name}"
        try:
            # Keras would write into the same file in each fold that begins meanwhile.
            with locks.locked(_downloads(), doing=doing, wait_seconds=DOWNLOAD_SECONDS):
                return application(name, shape, weights=source)
        # Keras raises a plain Exception when a download fails.
        except Exception as error:
            raise ValueError(
                f"The imagenet weights of {name} could not be downloaded ({error}). "
                "Offline, attach their file and set `model.encoder_weights` to its "
                "path."
            ) from error
    if not pathlib.Path(source).is_file():
        raise ValueError(
            f'`model.encoder_weights`: expected "imagenet" or a file of weights of '
            f"{name}. Received: {source}, which is not there. Correct the path."
        )
    model = application(name, shape)
    try:
        model.load_weights(source)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{source}: not weights of a {name} without top on 3 channels ({error}). "
            "Set `model.encoder` to the one they are of, or take the file that "
            'keras.applications names "notop".'
        ) from error
    try:
        weights_file.check(pathlib.Path(source))
    except ValueError as error:
        raise ValueError(f"{error} Take it again from where it came from.") from error
    return model


def _downloads() -> pathlib.Path:
    """Return the folder in which Keras keeps the weights that it downloads."""
    home = backend.keras_home()
    return (
        home if os.access(home, os.W_OK) else pathlib.Path("/tmp/.keras")
    ) / "models"


def _check(config: configs.Config, multiple: int) -> None:
    model, geometry = config.model, config.geometry
    if len(model.widths) != DEPTH:
        raise ValueError(
            f"`model.widths` over an encoder are those of the decoder, and {DEPTH}, "
            f"since {model.encoder} halves the image {DEPTH} times. Received: "
            f"{list(model.widths)}. Use [16, 32, 64, 128, 256]."
        )
    for key, size in (("height", geometry.height), ("width", geometry.width)):
        if size < SMALLEST or size % multiple:
            below = size // multiple * multiple
            fitting = sorted({max(SMALLEST, below), max(SMALLEST, below + multiple)})
            raise ValueError(
                f"`geometry.{key}` must be at least {SMALLEST} and divide by "
                f"{multiple} for the encoder {model.encoder}. Received: {size}. "
                f"Use {' or '.join(map(str, fitting))}."
            )
