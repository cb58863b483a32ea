"""Load a trained network: the network of a config with the weights of a fold."""

import pathlib

import keras

from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import build


def load(weights: pathlib.Path, config: configs.Config, classes: int) -> keras.Model:
    """Build the network of a config and load the weights of a fold into it.

    It computes in the precision that the config sets for this device.
    """
    try:
        with devices.policy(config.training.precision, devices.find()):
            network = build.build(config, classes)
        network.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        model = config.model
        slices = model.patch[0] if model.volumetric else len(config.slices)
        raise ValueError(
            f"{weights}: not weights of a {model.architecture} with widths "
            f"{list(model.widths)}, {slices} slices and {classes} classes ({error}). "
            "Delete the fold's folder and train it again."
        ) from error
    return network
