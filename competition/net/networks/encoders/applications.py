"""The encoders of keras.applications, by the names that they have there."""

import dataclasses
from collections.abc import Callable

import keras
from keras import applications

from competition.net.networks.encoders import family

Tensor = family.Tensor


def build(name: str, shape: family.Shape, *, weights: str | None = None) -> keras.Model:
    """Build one of keras.applications without top on images of any channels."""
    # The others have preprocessing that cannot be left out.
    bare = name.startswith(("EfficientNetV2", "ConvNeXt"))
    options = {"include_preprocessing": False} if bare else {}
    # Keras warns of an input shape of other than three channels, not of a tensor.
    return getattr(applications, name)(
        include_top=False, weights=weights, input_tensor=keras.Input(shape), **options
    )


def received_by(
    *halving: str, first: str | None = None
) -> Callable[[keras.Model], tuple[Tensor, list[Tensor]]]:
    """Return a function that finds features as the inputs of named layers.

    `halving` are the ends of the layers' names, those of the finest features first.
    `first` is the first layer after the preprocessing, which is cut off; None if there
    is no preprocessing.
    """

    def features(whole: keras.Model) -> tuple[Tensor, list[Tensor]]:
        def received(ending: str) -> Tensor:
            # In some applications the names of layers begin with that of the model.
            return next(x for x in whole.layers if x.name.endswith(ending)).input

        image = received(first) if first else whole.inputs[0]
        return image, [*map(received, halving), whole.output]

    return features


V1 = family.EncoderFamily(
    build,
    received_by(
        *(f"block{number}a_dwconv_pad" for number in (2, 3, 4, 6)),
        first="stem_conv_pad",
    ),
)
V2 = family.EncoderFamily(
    build,
    received_by("block2a_expand_conv", "block3a_expand_conv", "block4a_dwconv2",
                "block6a_dwconv2"),
)  # fmt: skip
# Their weights were trained on pixels in -1..1.
V2_LARGE = dataclasses.replace(
    V2, scaling=family.Scaling((128 / 255,) * 3, (128 / 255,) * 3)
)
# The first layer halves twice, and drops pixels that do not fill a patch of 4 x 4.
CONVNEXT = family.EncoderFamily(
    build,
    received_by(*(f"downsampling_block_{number}" for number in range(3))),
    multiple=32,
)
# Their weights were trained on BGR in 0..255 less its mean.
RESNET = family.EncoderFamily(
    build,
    received_by(
        "pool1_pad",
        *(f"conv{number}_block1_1_conv" for number in (3, 4, 5)),
        first="conv1_pad",
    ),
    scaling=family.Scaling(
        (103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3
    ),
)
FAMILIES = {
    **{f"EfficientNetB{size}": V1 for size in range(8)},
    **{f"EfficientNetV2B{size}": V2 for size in range(4)},
    **{f"EfficientNetV2{size}": V2_LARGE for size in "SML"},
    **{f"ConvNeXt{size}": CONVNEXT for size in "Tiny Small Base Large XLarge".split()},
    **{f"ResNet{size}": RESNET for size in (50, 101, 152)},
}
