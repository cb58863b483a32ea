"""segmodels_keras: its U-Net on a ResNet-34."""

import pathlib
import typing

import keras
import numpy as np
import segmodels_keras
import tensorflow  # noqa: F401  (the backend)
from segmodels_keras.backbones import backbones_factory
from segmodels_keras.models import model_factory

PACKAGES = ("segmodels_keras", "keras")
ENCODER, FILE = "resnet34", "network.keras"


def network(height: int, width: int, channels: int) -> keras.Model:
    """Build the U-Net, with random weights."""
    return _unet((height, width, channels), None)


def encoder() -> keras.Model:
    """Build the encoder as the U-Net does."""
    return backbones_factory.Backbones.get_backbone(
        ENCODER, input_shape=(64, 64, 3), weights=None, include_top=False
    )


def pretrained(path: pathlib.Path, channels: int) -> keras.Model:
    """Build the U-Net over an encoder with the weights of a file."""
    return _unet((64, 64, channels), str(path))


def _unet(shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    return segmodels_keras.Unet(ENCODER, input_shape=shape, encoder_weights=weights)


def volumetric() -> keras.Model:
    """Build a 3D U-Net, which is refused."""
    return segmodels_keras.Unet(
        ENCODER, input_shape=(64, 64, 64, 1), encoder_weights=None
    )


def save(made: keras.Model, folder: pathlib.Path) -> None:
    """Write the network in the format of Keras."""
    made.save(folder / FILE)


def load(folder: pathlib.Path) -> keras.Model:
    """Read the network."""
    return keras.saving.load_model(folder / FILE)


def _dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(segmodels_keras.metrics.FScore(threshold=0.5)(truth, predicted))


DICE = {"FScore": _dice}


def dice_loss(truth: np.ndarray, logits: object) -> object:
    """Return the loss of logits; the package expects probabilities."""
    return segmodels_keras.losses.dice_loss(truth, keras.ops.sigmoid(logits))


def counts() -> tuple[int, int]:
    """Return the numbers of its networks and of its encoders."""
    networks = typing.get_args(model_factory.ModelNames)
    return len(networks), len(segmodels_keras.get_available_backbone_names())
