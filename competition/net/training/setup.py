"""A network set up for training: its devices, its precision and its first weights."""

import contextlib
from collections.abc import Iterator

import keras

from competition.core.experiment import runs
from competition.net import devices
from competition.net.networks import build, pretrained
from competition.net.training import checkpoint, fitting


@contextlib.contextmanager
def network(run: runs.Run, fold: int) -> Iterator[keras.Model]:
    """Build the network of a fold, to be trained inside the `with` block.

    The block runs with the seed, the precision and on the devices that the config asks
    for; the precision is reset at its end.
    """
    settings = run.config.training
    device = devices.find()
    fitting.seed(
        run.config.seed + fold,
        deterministic=devices.deterministic(settings.deterministic, device),
    )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(devices.precision(settings.precision, device))
    try:
        with devices.mirrored(settings.gpus, device):
            built = build.build(run.config, len(run.classes))
            if not checkpoint.exists(run.files.fold(fold)):
                pretrained.load(built, run.config)
            yield built
    finally:
        keras.config.set_dtype_policy(before)
