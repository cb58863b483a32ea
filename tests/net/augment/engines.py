"""The engines of augmentation brought to one form, to be compared."""

import importlib.util
import os

import numpy as np
import tensorflow as tf

from competition.core.experiment import schema
from competition.net.augment import augment_device, augment_host, augment_params
from competition.net.networks import depth
from competition.net.training import step

# tensorflow-addons wants to be asked for before TensorFlow is imported.
INSTALLED = importlib.util.find_spec("tensorflow_addons") is not None
ADDONS = INSTALLED and os.environ.get("TF_USE_LEGACY_KERAS") == "1"
NAMES = ("device", "host", *(("addons",) if ADDONS else ()))
CLASSES = 3
STILL = {
    "engine": "device",
    "flip": 0.0,
    "affine": 0.0,
    "shift": 0.1,
    "scale": 0.2,
    "rotate_degrees": 20.0,
    "elastic_shift": 0.06,
}


def limits(**changes: float) -> schema.Augment:
    return schema.Augment.model_validate(STILL | changes)


def phantom(samples: int = 4, *, channels: int = 5) -> dict[str, np.ndarray]:
    """Smooth bright blobs away from the centre, and the mask of their cores."""
    y, x = np.mgrid[:56, :64]
    stack = np.zeros((samples, 56, 64, channels))
    bits = np.zeros((samples, 56, 64), np.uint8)
    for sample in range(samples):
        for number, (cy, cx) in enumerate([(18, 40), (30, 20 + 2 * sample), (40, 44)]):
            square = (y - cy) ** 2 + (x - cx) ** 2
            stack[sample] += np.exp(-square / 72)[..., None]
            bits[sample] |= ((square < 50) << number).astype(np.uint8)
    stack *= 1 - 0.05 * np.arange(channels)
    return {
        "stack": np.rint(1000 + 20_000 * np.clip(stack, 0, 1)).astype(np.uint16),
        "bits": bits,
        "window": np.full((samples, 2), (0, 21_000), np.float32),
    }


def drawn(
    wanted: schema.Augment, samples: int = 4, *, epoch: int = 0
) -> augment_params.Changes:
    seeds = [(0, epoch, position) for position in range(samples)]
    return augment_params.draw(wanted, (56, 64), seeds)


def apply(
    engine: str,
    batch: dict[str, np.ndarray],
    numbers: augment_params.Changes,
    wanted: schema.Augment | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the network's input: stacks 0..1 (B, H, W, K), planes (B, H, W, C)."""
    batch = {name: value.copy() for name, value in batch.items()}
    if engine == "host":
        window = augment_host.apply(**batch, changes=numbers)
        batch["window"] = window
    elif engine == "addons":
        batch = _addons(batch, numbers, wanted or limits())
    # The step makes the changes that the engine did not make before.
    step_does = augment_params.CARRIED["device" if engine == "device" else "host"]
    left = {name: each for name, each in numbers.items() if name in step_does}
    stack = step.normalise(batch["stack"], batch["window"])
    truth = depth.as_channels(step.unpack(batch["bits"], CLASSES))
    stack, truth = augment_device.apply(stack, truth, left)
    return np.array(stack), np.array(truth)


def _addons(
    batch: dict[str, np.ndarray],
    numbers: augment_params.Changes,
    wanted: schema.Augment,
) -> dict[str, np.ndarray]:
    from competition.net.augment import augment_addons

    data = tf.data.Dataset.from_tensors((batch, numbers))
    mapped = data.map(lambda b, d: augment_addons.apply(b | d, limits=wanted))
    return next(mapped.as_numpy_iterator())
