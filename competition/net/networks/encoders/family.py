"""What the encoders of one kind have in common, whichever library they are of."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

Tensor = Any
Shape = tuple[int, int, int]


class Scaling(NamedTuple):
    """Mean and deviation, in 0..1, of the images that weights were trained on."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


IMAGENET = Scaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclasses.dataclass(frozen=True)
class EncoderFamily:
    """The encoders of one kind: how they are built, and which images they take.

    `build` makes an encoder as it was published, by its name, for images of any
    channels. `features` returns the image that its first convolution takes, and its
    features of each size, finest first; the last ones have a 32nd of the image's size.
    """

    build: Callable[[str, Shape], keras.Model]
    features: Callable[[keras.Model], tuple[Tensor, list[Tensor]]]
    scaling: Scaling = IMAGENET
    # Height and width of the images must be multiples of it.
    multiple: int = 1

    def extract(self, whole: keras.Model, *, leave_out: int) -> keras.Model:
        """Return an encoder without the coarsest `leave_out` of its features."""
        image, features = self.features(whole)
        return keras.Model(image, features[: len(features) - leave_out], name="encoder")
