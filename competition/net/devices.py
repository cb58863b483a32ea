"""The device that computes, and the precision, XLA and determinism that suit it."""

import contextlib
import dataclasses
from typing import Any, Literal

Kind = Literal["cpu", "gpu", "tpu"]
# NVIDIA's generations from here on multiply bfloat16 as fast as float16.
AMPERE = 8.0


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """The devices of a kind: their number, and a GPU's compute capability (T4: 7.5)."""

    kind: Kind
    count: int = 1
    capability: float = 0.0


def find() -> Device:
    """Find the devices that the Keras backend would compute on."""
    import keras

    return _find_jax() if keras.backend.backend() == "jax" else _find_tensorflow()


def precision(setting: str, device: Device) -> str:
    """Return the Keras dtype policy: as `setting` says, "auto" by the device.

    float16 before NVIDIA's Ampere (T4, P100), bfloat16 since and on a TPU.
    """
    if setting == "auto":
        setting = {"cpu": "float32", "tpu": "bfloat16", "gpu": "float16"}[device.kind]
        if device.kind == "gpu" and device.capability >= AMPERE:
            setting = "bfloat16"
    return setting if setting == "float32" else f"mixed_{setting}"


def xla(setting: bool | str, device: Device, *, backend: str) -> bool:
    """Return whether to use XLA: as `setting` says, "auto" by device and backend.

    On a CPU TensorFlow's XLA takes twice the time, and mirrored GPUs refuse it.
    """
    if isinstance(setting, bool):
        return setting
    return backend == "jax" or (device.kind != "cpu" and device.count == 1)


def jit_compile(setting: bool | str) -> bool:
    """Return whether to compile with XLA on the devices that there are."""
    import keras

    return xla(setting, find(), backend=keras.backend.backend())


def deterministic(setting: bool | str, device: Device) -> bool:
    """Return whether every result must repeat to the bit, which costs a GPU time."""
    return setting if isinstance(setting, bool) else device.kind == "cpu"


def mirrored(setting: str, device: Device) -> contextlib.AbstractContextManager:
    """Return the scope in which to build a network that all GPUs train at once.

    With one device, on JAX, or where the config says "one", it changes nothing.
    """
    import keras

    if setting not in {"auto", "mirror"} or device.count < 2:
        return contextlib.nullcontext()
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy().scope()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a framework raised this for lack of memory on the device."""
    text = f"{type(error).__name__} {error}"
    return "ResourceExhausted" in text or "RESOURCE_EXHAUSTED" in text


def _find_tensorflow() -> Device:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Device("cpu", len(tf.config.list_logical_devices("CPU")))
    details = tf.config.experimental.get_device_details(gpus[0])
    major, minor = details.get("compute_capability", (0, 0))
    return Device("gpu", len(gpus), major + minor / 10)


def _find_jax() -> Device:
    import jax

    local: list[Any] = jax.local_devices()
    if local[0].platform not in {"gpu", "tpu"}:
        return Device("cpu", len(local))
    capability = float(getattr(local[0], "compute_capability", 0) or 0)
    return Device(local[0].platform, len(local), capability)
