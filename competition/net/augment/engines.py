"""Augmentation: which engine moves the samples.

What is drawn is in draw.py; "device", "host" and "addons" have a module each.
"""

import keras

from competition.core.experiment import schema


def engine(limits: schema.Augment) -> str:
    """The engine that `auto` stands for here, or the one that the config names.

    A few CPUs cannot feed a GPU, and have nothing else to do where there is none.
    """
    if limits.engine != "auto":
        return limits.engine
    return "device" if _accelerated() else "host"


def _accelerated() -> bool:
    if keras.backend.backend() == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    import tensorflow as tf

    kinds = {device.device_type for device in tf.config.list_logical_devices()}
    return bool(kinds & {"GPU", "TPU"})
