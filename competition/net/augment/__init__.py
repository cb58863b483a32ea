"""Augmentation: the changes that are drawn, and the engines that make them.

`augment_params` draws the changes to each sample. Engine "host" makes them by NumPy and
OpenCV while the batch is made, "addons" in the graph of tf.data, "device" inside the
training step; "none" makes none.
"""

from competition.core.experiment import schema
from competition.net import devices


def engine(limits: schema.Augment) -> str:
    """Return the engine that the config names, or the one that "auto" stands for here.

    A few CPUs cannot feed a GPU, and have nothing else to do where there is none.
    """
    if limits.engine != "auto":
        return limits.engine
    return "host" if devices.find().kind == "cpu" else "device"
