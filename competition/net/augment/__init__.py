"""Augmentation: random changes of the training samples, and engines that apply them.

`augment_params` draws the changes to each sample. Engine "host" applies them by NumPy
and OpenCV while the batch is made, "addons" in the graph of tf.data, "device" inside
the training step; "none" applies no changes.
"""

from competition.core.experiment import schema
from competition.net import devices


def engine(limits: schema.Augment) -> str:
    """Return the engine that the config names, or the one that "auto" stands for here.

    "auto" is "host" on a CPU and otherwise "device", since few CPUs would feed a GPU.
    """
    if limits.engine != "auto":
        return limits.engine
    return "host" if devices.find().kind == "cpu" else "device"
