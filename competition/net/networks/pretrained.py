"""The published weights of an encoder, which are loaded where training begins.

They are for three channels; our encoder has K slices and a plane of ones (`encoders`).
"""

import pathlib

import keras
import numpy as np

from competition.core.experiment import configs
from competition.net.networks import encoders

CHANNELS = 3


def load(network: keras.Model, config: configs.Config) -> None:
    """Load `model.encoder_weights` into a new network; "none" leaves it random.

    Keras downloads "imagenet"; any other value is the path of a file without top that
    keras.applications offers or that `save_weights` wrote.
    """
    name, source = config.model.encoder, config.model.encoder_weights
    if source == "none":
        return
    _, family = encoders.APPLICATIONS[name]
    ours = network.get_layer("encoder")
    theirs = _download(name) if source == "imagenet" else _read(name, source)
    halvings = encoders.DEPTH - len(family.halving) - 1 + len(ours.outputs)
    published = encoders.extract(theirs, family, halvings=halvings)
    for our_layer, their_layer in zip(ours.layers, published.layers, strict=True):
        values = their_layer.get_weights()
        if our_layer.name.endswith(family.stem):
            slices = our_layer.weights[0].shape[2] - 1
            values[0] = spread_kernel(values[0], slices, family)
        our_layer.set_weights(values)


def spread_kernel(
    kernel: np.ndarray, slices: int, family: encoders.EncoderFamily
) -> np.ndarray:
    """Turn a kernel (h, w, 3, out) into (h, w, slices + 1, out), the last for ones.

    On equal slices the result is that of the kernel on a grey image which was
    preprocessed as the encoder expects it.
    """
    scaled = kernel / np.reshape(family.deviation, (CHANNELS, 1))
    shift = scaled * np.reshape(family.mean, (CHANNELS, 1))
    of_slice = scaled.sum(axis=2, keepdims=True) / slices
    of_ones = -shift.sum(axis=2, keepdims=True)
    return np.concatenate([np.repeat(of_slice, slices, axis=2), of_ones], axis=2)


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
    # Keras raises a plain Exception when a download fails.
    except Exception as error:
        raise ValueError(
            f"The imagenet weights of {name} could not be downloaded ({error}). "
            "Offline, attach their file and set `model.encoder_weights` to its path."
        ) from error
