"""An encoder's published weights: read once, where training begins.

They are of three channels; ours has K slices and a plane of ones (see `encoders`).
"""

import pathlib

import keras
import numpy as np

from competition.core.experiment import configs
from competition.net.networks import encoders

CHANNELS = 3


def load(network: keras.Model, config: configs.Config) -> None:
    """Load `model.encoder_weights` into a new network; "none" leaves it random.

    "imagenet" is downloaded by Keras; else it is the path of a file that
    keras.applications offers (without top) or that `save_weights` wrote.
    """
    name, source = config.model.encoder, config.model.encoder_weights
    if source == "none":
        return
    _, family = encoders.APPLICATIONS[name]
    ours = network.get_layer("encoder")
    theirs = _download(name) if source == "imagenet" else _read(name, source)
    halvings = encoders.DEPTH - len(family.halving) - 1 + len(ours.outputs)
    published = encoders.cut(theirs, family, halvings=halvings)
    for own, other in zip(ours.layers, published.layers, strict=True):
        values = other.get_weights()
        if own.name.endswith(family.stem):
            values[0] = spread(values[0], own.weights[0].shape[2] - 1, family)
        own.set_weights(values)


def spread(
    kernel: np.ndarray, slices: int, family: encoders.EncoderFamily
) -> np.ndarray:
    """Turn a kernel (h, w, 3, out) into (h, w, slices + 1, out), the last for ones.

    On equal slices it gives what the kernel gives on a grey image that was
    preprocessed as the encoder expects it.
    """
    scaled = kernel / np.reshape(family.deviation, (CHANNELS, 1))
    shift = scaled * np.reshape(family.mean, (CHANNELS, 1))
    each = scaled.sum(axis=2, keepdims=True) / slices
    constant = -shift.sum(axis=2, keepdims=True)
    return np.concatenate([np.repeat(each, slices, axis=2), constant], axis=2)


def _read(name: str, path: str) -> keras.Model:
    if not pathlib.Path(path).is_file():
        raise ValueError(
            f'`model.encoder_weights`: expected "imagenet" or a file of weights of '
            f"{name}. Received: {path}, which is not there. Correct the path."
        )
    model = encoders.application(name, (None, None, CHANNELS), weights=None)
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path}: not weights of a {name} without top on {CHANNELS} channels "
            f"({error}). Set `model.encoder` to the one they are of, or take the file "
            'that keras.applications names "notop".'
        ) from error
    return model


def _download(name: str) -> keras.Model:
    shape = None, None, CHANNELS
    try:
        return encoders.application(name, shape, weights="imagenet")
    # Keras raises no narrower one when a download fails.
    except Exception as error:
        raise ValueError(
            f"The imagenet weights of {name} could not be downloaded ({error}). "
            "Offline, attach their file and set `model.encoder_weights` to its path."
        ) from error
