"""The published weights that an encoder begins with, fitted to stacks of slices."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from competition.core import locks
from competition.core.experiment import configs
from competition.machine import backend
from competition.net import weights_file
from competition.net.networks.encoders import applications, families, family, hub

# The size of the images for which published encoders are built; weights fit any.
RGB = 32, 32, 3
# How long another process may take to download what both need.
DOWNLOAD_SECONDS = 3600.0
# The files of a preset's folder that are needed.
CONFIG, WEIGHTS, CONVERTER = "config.json", "model.weights.h5", "image_converter.json"


def load(network: keras.Model, config: configs.Config) -> None:
    """Load `model.encoder_weights` into a new network; "none" leaves it random.

    Weights are downloaded for "imagenet", of keras.applications, and for the name of a
    preset of keras_hub. Any other value is the path of a preset's folder, or of a file
    without top that either library offers or that `save_weights` wrote.
    """
    name, source = config.model.encoder, config.model.encoder_weights
    if source == "none":
        return
    whole, scaling = _published(name, source)
    ours, kind = network.get_layer("encoder"), families.FAMILIES[name]
    missing = len(kind.features(whole)[1]) - len(ours.outputs)
    same = kind.extract(whole, leave_out=missing, remat=config.model.remat)
    kernel, *others = same.get_weights()
    # The first weights are the kernel of the first convolution, whose input differs.
    channels = ours.weights[0].shape[2]
    kernel = spread_kernel(kernel, len(config.slices), scaling, channels=channels)
    ours.set_weights([kernel, *others])


def check(name: str, source: str) -> None:
    """Raise an error if a file or a preset's folder has no weights of the encoder."""
    _published(name, source)


def spread_kernel(
    kernel: np.ndarray, slices: int, scaling: family.Scaling, *, channels: int
) -> np.ndarray:
    """Turn a kernel (h, w, 3, out) into (h, w, channels, out), the last for ones.

    The slices come first; channels between them and the ones begin at 0. On equal
    slices the result is that of the kernel on a grey image which was preprocessed as
    the encoder expects it.
    """
    scaled = kernel / np.reshape(scaling.deviation, (3, 1))
    shift = scaled * np.reshape(scaling.mean, (3, 1))
    spread = np.zeros((*kernel.shape[:2], channels, kernel.shape[3]), kernel.dtype)
    spread[:, :, :slices] = scaled.sum(axis=2, keepdims=True) / slices
    spread[:, :, -1] = -shift.sum(axis=2)
    return spread


def _published(name: str, source: str) -> tuple[keras.Model, family.Scaling]:
    """Build an encoder on RGB images with the weights that `source` names."""
    scaling = families.FAMILIES[name].scaling
    if source == "imagenet" and name in applications.FAMILIES:
        whole = _download(
            name,
            source,
            lambda: applications.build(name, RGB, weights=source),
        )
        return whole, scaling
    path = pathlib.Path(source)
    if name in hub.BACKBONES and not path.exists():
        path = pathlib.Path(_download(name, source, _fetch_preset(name, source)))
    if path.is_dir():
        _check_preset(path, name)
        return _read(name, path / WEIGHTS), _scaling_of(path) or scaling
    return _read(name, path), scaling


def _read(name: str, path: pathlib.Path) -> keras.Model:
    """Build an encoder on RGB images with the weights of a file."""
    if not path.is_file():
        raise ValueError(
            f'`model.encoder_weights`: expected "imagenet" or a file of weights of '
            f"{name}. Received: {path}, which does not exist. Correct the path."
        )
    whole = families.FAMILIES[name].build(name, RGB)
    try:
        whole.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path}: not weights of a {name} without top on 3 channels ({error}). "
            "Set `model.encoder` to the encoder of this file, or take the file that "
            'keras.applications names "notop", or that keras_hub names '
            f"{WEIGHTS}."
        ) from error
    try:
        weights_file.check(path)
    except ValueError as error:
        raise ValueError(f"{error} Copy or download the file again.") from error
    return whole


def _fetch_preset(name: str, source: str) -> Callable[[], str]:
    """Return a function that downloads a preset of keras_hub and returns its folder."""
    kind, _ = hub.BACKBONES[name]
    every = getattr(hub.library(name).models, kind).presets
    fitting = sorted(preset for preset in every if preset.startswith(f"{name}_"))
    if source not in fitting:
        raise ValueError(
            f"`model.encoder_weights`: expected for {name} one of the presets "
            f"{', '.join(fitting)}, the folder of one, or a file of weights. Received: "
            f"{source}, which does not exist. Correct the name or the path."
        )
    handle = every[source]["kaggle_handle"].removeprefix("kaggle://")

    def fetch() -> str:
        import kagglehub

        return kagglehub.model_download(handle)

    return fetch


def _download(name: str, source: str, fetch: Callable[[], Any]) -> Any:
    """Call a function that downloads weights, one process after the other."""
    doing = f"downloading the weights of {name}"
    try:
        # Keras would write into the same file in each fold that begins meanwhile.
        with locks.locked(_downloads(), doing=doing, wait_seconds=DOWNLOAD_SECONDS):
            return fetch()
    # Keras raises a plain Exception when a download fails.
    except Exception as error:
        what = "their file" if source == "imagenet" else "their file or their folder"
        raise ValueError(
            f"The {source} weights of {name} could not be downloaded ({error}). "
            f"Offline, attach {what} and set `model.encoder_weights` to its path."
        ) from error


def _downloads() -> pathlib.Path:
    """Return the folder in which Keras keeps the weights that it downloads."""
    home = pathlib.Path(backend.keras_home())
    if not os.access(home, os.W_OK):
        home = pathlib.Path("/tmp/.keras")
    return home / "models"


def _check_preset(folder: pathlib.Path, name: str) -> None:
    """Raise an error if the folder's preset is of another encoder than `name`."""
    about = _json(folder / CONFIG)
    kind, arguments = hub.BACKBONES.get(name, (name, {}))
    received, given = about.get("class_name"), about.get("config", {})
    differing = [key for key in arguments if given.get(key, arguments[key])
                 != arguments[key]]  # fmt: skip
    if received == kind and not differing:
        return
    found = f"a {received}" + "".join(f", {key} {given[key]}" for key in differing)
    raise ValueError(
        f"{folder / CONFIG}: expected a preset of {name}, a {kind}. Received: {found}. "
        "Set `model.encoder` to the encoder of this preset, or name another preset."
    )


def _scaling_of(folder: pathlib.Path) -> family.Scaling | None:
    """Return the scaling that a preset has for its images, or None if it has none.

    A preset has a factor for pixels in 0..255, and an offset that is added after it.
    """
    if not (folder / CONVERTER).is_file():
        return None
    about = _json(folder / CONVERTER).get("config", {})
    scale, offset = (
        np.broadcast_to(np.float64(default if value is None else value), (3,))
        for value, default in ((about.get("scale"), 1), (about.get("offset"), 0))
    )
    deviation = 1 / (255 * scale)
    return family.Scaling(tuple(-offset * deviation), tuple(deviation))


def _json(path: pathlib.Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: expected a preset of keras_hub, a folder with {CONFIG} and "
            f"{WEIGHTS} ({error}). Correct `model.encoder_weights`."
        ) from error
