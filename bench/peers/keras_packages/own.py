"""This project."""

import pathlib

import keras
import numpy as np

from competition.core import metric
from competition.core.experiment import configs
from competition.net.networks import build, encoders
from competition.net.networks.encoders import families, hub
from competition.net.training import losses

PACKAGES = ("keras",)
ENCODER, CLASSES = "resnet_18", 1
CONFIG, WEIGHTS = "config.json", "network.weights.h5"


def network(height: int, width: int, channels: int) -> keras.Model:
    """Build the `unet` over an encoder, with random weights."""
    return build.build(_config(height, width, channels), CLASSES)


def _config(height: int, width: int, channels: int, *more: str) -> configs.Config:
    half = channels // 2
    overrides = (
        f"slices={[number - half for number in range(channels)]}",
        f"geometry.height={height}",
        f"geometry.width={width}",
        f"model.encoder={ENCODER}",
        "model.widths=[16, 32, 64, 128, 256]",
        "model.presence=false",
    )
    return configs.load("unet", (*overrides, *more))


def encoder() -> keras.Model:
    """Build the encoder as it was published."""
    return hub.build(ENCODER, (64, 64, 3))


def pretrained(path: pathlib.Path, channels: int) -> keras.Model:
    """Build the `unet` over an encoder with the weights of a file."""
    config = _config(64, 64, channels, f"model.encoder_weights={path}")
    made = build.build(config, CLASSES)
    encoders.load_weights(made, config)
    return made


def volumetric() -> keras.Model:
    """Build a 3D U-Net over the encoder, which is refused."""
    config = configs.load("unet_3d", (f"model.encoder={ENCODER}",))
    return build.build(config, CLASSES)


def save(made: keras.Model, folder: pathlib.Path) -> None:
    """Write the weights, and the config from which the network is built again."""
    _, *size, channels = made.input_shape
    text = _config(*size, channels).model_dump_json()
    (folder / CONFIG).write_text(text, encoding="utf-8")
    made.save_weights(folder / WEIGHTS)


def load(folder: pathlib.Path) -> keras.Model:
    """Build the network of the config, and load its weights."""
    text = (folder / CONFIG).read_text(encoding="utf-8")
    made = build.build(configs.Config.model_validate_json(text), CLASSES)
    made.load_weights(folder / WEIGHTS)
    return made


def _dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean Dice of slices; the slices of the batch are those of a scan."""
    bits = (x[..., 0].astype(np.uint8) for x in (truth, predicted))
    scan = metric.measure(*bits, classes=CLASSES)
    return metric.summarise({"case1_day0": scan}, ["organ"])["dice"]


DICE = {"dice": _dice}
dice_loss = losses.dice


def counts() -> tuple[int, int]:
    """Return the numbers of its networks and of its encoders."""
    return len(build.ARCHITECTURES), len(families.FAMILIES)
