"""What the encoders of one kind have in common, whichever library they come from."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from competition.net.networks import recomputed

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

    def extract(
        self, whole: keras.Model, *, leave_out: int, remat: bool
    ) -> keras.Model:
        """Return an encoder without the coarsest `leave_out` of its features.

        With `remat` a training step keeps no more than these features.
        """
        image, features = self.features(whole)
        features = features[: len(features) - leave_out]
        if remat:
            features = _recomputed(image, features)
        return keras.Model(image, features, name="encoder")


def _recomputed(image: Tensor, features: list[Tensor]) -> list[Tensor]:
    """Turn the layers between each feature and the next into a recomputed part."""
    x, made = image, []
    for number, (before, after) in enumerate(itertools.pairwise([image, *features])):
        part = keras.Model(before, after)
        x = recomputed.Recomputed(part, name=f"size{number}")(x)
        made.append(x)
    return made
