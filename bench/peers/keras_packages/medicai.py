"""medicai: its 2D UNet on a ResNet-34."""

import functools
import pathlib

import keras
import medicai.losses
import medicai.metrics
import medicai.models
import numpy as np
import tensorflow  # noqa: F401  (the backend)
from medicai.utils import registry

PACKAGES = ("medicai", "keras")
FILE = "network.keras"


def network(height: int, width: int, channels: int) -> keras.Model:
    """Build the UNet, with random weights."""
    return medicai.models.UNet(
        encoder_name="resnet34", input_shape=(height, width, channels), num_classes=1
    )


def encoder(channels: int = 3) -> keras.Model:
    """Build the encoder for images of any channels."""
    shape = 64, 64, channels
    return medicai.models.ResNet34(input_shape=shape, include_top=False)


def pretrained(path: pathlib.Path, channels: int) -> keras.Model:
    """Build the UNet over an encoder that was given the weights of a file.

    The package has no argument for weights; this is what its custom encoder offers.
    """
    own = encoder(channels)
    own.load_weights(path)
    return medicai.models.UNet(encoder=own, num_classes=1)


def volumetric() -> keras.Model:
    """Build the UNet in 3D."""
    return medicai.models.UNet(
        encoder_name="resnet34", input_shape=(64, 64, 64, 1), num_classes=1
    )


def save(made: keras.Model, folder: pathlib.Path) -> None:
    """Write the network in the format of Keras."""
    made.save(folder / FILE)


def load(folder: pathlib.Path) -> keras.Model:
    """Read the network; its classes are registered where the package is imported."""
    return keras.saving.load_model(folder / FILE)


def _binary(truth: np.ndarray, predicted: np.ndarray, **settings: bool) -> float:
    metric = medicai.metrics.BinaryDiceMetric(
        from_logits=False, num_classes=1, **settings
    )
    metric.update_state(truth, predicted)
    return float(metric.result())


def _categorical(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Measure the background as a class as well."""
    metric = medicai.metrics.CategoricalDiceMetric(
        from_logits=False, num_classes=2, ignore_empty=False
    )
    both = (np.concatenate([1 - x, x], axis=-1) for x in (truth, predicted))
    metric.update_state(*both)
    return float(metric.result())


DICE = {
    "Binary": _binary,
    "Binary, ignore_empty=False": functools.partial(_binary, ignore_empty=False),
    "Categorical, ignore_empty=False": _categorical,
}
dice_loss = medicai.losses.BinaryDiceLoss(from_logits=True, num_classes=1)


def counts() -> tuple[int, int]:
    """Return the numbers of its networks and of its encoders."""
    listed = registry.registration
    return len(listed._segmentor_registry), len(listed._backbone_registry)
