"""The same networks in float32, for batches that overflow in half precision."""

from collections.abc import Sequence

import keras
import numpy as np

from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import build, heads

Outputs = dict[str, np.ndarray]


def is_half(networks: Sequence[keras.Model]) -> bool:
    """Return whether one of the networks computes in less than float32."""
    return any(network.compute_dtype != "float32" for network in networks)


def are_finite(members: Sequence[Outputs]) -> bool:
    """Return whether no output of any member is NaN or infinity."""
    values = [each for outputs in members for each in outputs.values()]
    return all(bool(np.isfinite(each).all()) for each in values)


def twin(network: keras.Model, config: configs.Config) -> keras.Model:
    """Build the network of the config anew, in float32; its weights are random."""
    with devices.policy("float32", devices.find()):
        return build.build(config, heads.classes(network))
