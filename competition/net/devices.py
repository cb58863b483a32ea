"""The device that computes, and the precision, XLA and determinism that suit it."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Literal

import keras

# What TensorFlow, XLA, CUDA, cuDNN and cuBLAS say of it, in lower case.
_OUT_OF_MEMORY = (
    "resourceexhausted",
    "resource_exhausted",
    "out of memory",
    "out_of_memory",
    "alloc_failed",
    "allocation_failed",
    "cudaerrormemoryallocation",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """The devices of a kind: their number, and a GPU's compute capability (T4: 7.5)."""

    kind: Literal["cpu", "gpu", "tpu"]
    count: int = 1
    capability: float = 0.0
    backend: Literal["tensorflow", "jax"] = "tensorflow"


def find() -> Device:
    """Find the devices that the Keras backend would compute on."""
    if keras.backend.backend() == "jax":
        import jax

        local = jax.local_devices()
        capability = float(getattr(local[0], "compute_capability", 0) or 0)
        return Device(local[0].platform, len(local), capability, "jax")
    from competition.net import tensorflow_backend

    count, capability = tensorflow_backend.gpus()
    if count:
        return Device("gpu", count, capability)
    return Device("cpu", tensorflow_backend.cpus())


def precision(setting: str, device: Device) -> str:
    """Return the Keras dtype policy of a setting; "auto" decides by the device.

    A CPU computes in float32, NVIDIA's GPUs before Ampere (T4, P100) in float16, later
    ones and TPUs in bfloat16.
    """
    if setting == "auto":
        setting = {"cpu": "float32", "tpu": "bfloat16", "gpu": "float16"}[device.kind]
        # Ampere, 8.0, and later multiply bfloat16 as fast as float16.
        if device.kind == "gpu" and device.capability >= 8.0:
            setting = "bfloat16"
    return setting if setting == "float32" else f"mixed_{setting}"


@contextlib.contextmanager
def policy(setting: str, device: Device) -> Iterator[None]:
    """Build the layers inside the `with` block in the precision of the setting."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision(setting, device))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def xla(setting: bool | str, device: Device) -> bool:
    """Return whether to compile with XLA; "auto" decides by the device.

    On a CPU TensorFlow's XLA takes twice the time, and mirrored GPUs refuse it.
    """
    if isinstance(setting, bool):
        return setting
    return device.backend == "jax" or (device.kind != "cpu" and device.count == 1)


def deterministic(setting: bool | str, device: Device) -> bool:
    """Return whether results must repeat to the bit; "auto" spares GPUs the time."""
    return setting if isinstance(setting, bool) else device.kind == "cpu"


def make_deterministic() -> None:
    """Make results repeat to the bit; JAX does so on a CPU by itself."""
    if keras.backend.backend() == "tensorflow":
        from competition.net import tensorflow_backend

        tensorflow_backend.make_deterministic()


def mirrored(setting: str, device: Device) -> contextlib.AbstractContextManager:
    """Return the scope in which to build a network that all GPUs train at once.

    With one device, on JAX, or where the config says "one", it changes nothing.
    """
    is_alone = device.count == 1 or device.backend == "jax"
    if is_alone or setting not in {"auto", "mirror"}:
        return contextlib.nullcontext()
    from competition.net import tensorflow_backend

    return tensorflow_backend.mirrored()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a framework raised this for lack of memory on the device."""
    text = f"{type(error).__name__} {error}".lower()
    return any(each in text for each in _OUT_OF_MEMORY)
