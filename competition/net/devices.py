"""The device that computes, and the precision, XLA and determinism that suit it."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Literal

from competition.core import console
from competition.machine import memory
from competition.net import hosts
from competition.net.frameworks import keras

# How TensorFlow, XLA, CUDA, cuDNN and cuBLAS report a lack of memory, in lower case.
_OUT_OF_MEMORY = (
    "resourceexhausted",
    "resource_exhausted",
    "out of memory",
    "out_of_memory",
    "alloc_failed",
    "allocation_failed",
    "cudaerrormemoryallocation",
)

_JAX_REPEATS = "--xla_gpu_deterministic_ops"
# The type of indices. On a GPU TensorFlow computes int32 in the host's memory, and JAX
# has no int64.
INDEX = "int64" if keras.backend.backend() == "tensorflow" else "int32"


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

        try:
            local = jax.local_devices()
        # JAX raises an AssertionError if CUDA is asked for but not installed.
        except (RuntimeError, AssertionError) as error:
            chosen = os.environ.get("JAX_PLATFORMS", "")
            raise ValueError(
                f"JAX has no device to compute on. {error} Received: JAX_PLATFORMS="
                f"{chosen!r}. Unset it, or set JAX_PLATFORMS=cpu."
            ) from None
        capability = float(getattr(local[0], "compute_capability", 0) or 0)
        return Device(local[0].platform, len(local), capability, "jax")
    from competition.net import tensorflow_backend

    count, capability = tensorflow_backend.gpus()
    if count:
        return Device("gpu", count, capability)
    return Device("cpu", tensorflow_backend.cpus())


def free_memory() -> int | None:
    """Return the bytes that are free on the device; None on a CPU, or if unknown."""
    if find().kind == "cpu":
        return None
    if keras.backend.backend() == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats() or {}
        known = "bytes_limit" in stats
        return stats["bytes_limit"] - stats["bytes_in_use"] if known else None
    from competition.net import tensorflow_backend

    return tensorflow_backend.free_memory()


def used_memory() -> int | None:
    """Return the bytes that this process holds; on a GPU or TPU, the most so far.

    None if unknown.
    """
    if find().kind == "cpu":
        return memory.resident(os.getpid())
    if keras.backend.backend() == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats() or {}
        return stats.get("peak_bytes_in_use")
    from competition.net import tensorflow_backend

    return tensorflow_backend.used_memory()


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


def xla(setting: bool | str, device: Device, *, sharing: int = 1) -> bool:
    """Return whether to compile with XLA; "auto" decides by the device.

    On a CPU TensorFlow's XLA takes twice the time, and mirrored GPUs refuse it.
    """
    if isinstance(setting, bool):
        return setting
    return device.backend == "jax" or (device.kind != "cpu" and sharing == 1)


def deterministic(setting: bool | str, device: Device) -> bool:
    """Return whether results must repeat to the bit; "auto" asks it only of a CPU."""
    return setting if isinstance(setting, bool) else device.kind == "cpu"


def make_deterministic() -> None:
    """Make results repeat to the bit; JAX does so on a CPU by itself.

    On a GPU, XLA_FLAGS must ask JAX for it before JAX starts.
    """
    if keras.backend.backend() == "tensorflow":
        from competition.net import tensorflow_backend

        tensorflow_backend.make_deterministic()
    elif find().kind == "gpu" and _JAX_REPEATS not in os.environ.get("XLA_FLAGS", ""):
        console.warn(
            "On this GPU results will not repeat to the bit, though "
            "training.deterministic=true asks for it. Set the environment's XLA_FLAGS="
            f"{_JAX_REPEATS}=true and run again."
        )


def sharing(setting: str, device: Device) -> int:
    """Return how many devices share a batch in this process, by `training.gpus`.

    JAX shares it among all of them; TensorFlow only where the config says "mirror".
    """
    shares = setting == "mirror" or (setting == "auto" and device.backend == "jax")
    return device.count if shares else 1


def shared(setting: str, device: Device) -> contextlib.AbstractContextManager:
    """Return the scope in which several devices share the batches of a network.

    The network is built, compiled and used inside it. Each device holds all weights.
    """
    count = sharing(setting, device)
    if count == 1:
        return contextlib.nullcontext()
    if device.backend == "tensorflow":
        from competition.net import tensorflow_backend

        return tensorflow_backend.mirrored()
    import jax

    names = [f"{each.platform}:{each.id}" for each in jax.local_devices()[:count]]
    scope: contextlib.AbstractContextManager = keras.distribution.DataParallel(
        devices=names, auto_shard_dataset=False
    ).scope()
    return scope


def dividing() -> int:
    """Return how many devices Keras divides a loss among; on JAX it divides none."""
    if keras.backend.backend() == "jax":
        return 1
    from competition.net import tensorflow_backend

    return tensorflow_backend.dividing()


def to_predict(setting: str) -> str:
    """Return the setting by which devices share a batch when they predict it.

    TensorFlow does not mirror networks that predict: it uses a process for each GPU.
    """
    return "one" if setting == "one" else "auto"


def accumulates(setting: str, device: Device) -> bool:
    """Return whether gradients can be accumulated over several batches.

    On mirrored GPUs TensorFlow refuses the optimizer's condition (keras issue 20582).
    """
    return device.backend == "jax" or sharing(setting, device) == 1


def check_batch(batch: int, setting: str, device: Device) -> None:
    """Raise an error where the devices that share a batch cannot divide it."""
    count = sharing(setting, device) * hosts.count()
    if batch % count:
        below, above = batch // count * count, -(-batch // count) * count
        sizes = " or ".join(str(size) for size in (below, above) if size)
        begun = ""
        if device.kind == "gpu":
            begun = " To go on with a fold, set CUDA_VISIBLE_DEVICES=0 instead."
        raise ValueError(
            f"`training.batch` must be a multiple of the {count} devices that share "
            f"it. Received: {batch}. Set training.batch={sizes}, or "
            'training.gpus="one".' + begun
        )


class NoMemoryError(ValueError):
    """The device has too little memory; other programs on it may free some."""


def no_memory(what: str) -> NoMemoryError:
    """Return the error to raise where the device has no memory even for `what`."""
    return NoMemoryError(
        f"The device has no memory for {what}. End other programs on it (nvidia-smi "
        "lists those on a GPU), or choose smaller `geometry.height` and `width`, "
        "`model.widths` or encoder."
    )


@contextlib.contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Raise the error of `no_memory` where the `with` block is out of memory."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise no_memory(what) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a framework raised this for lack of memory on the device."""
    text = f"{type(error).__name__} {error}".lower()
    return any(each in text for each in _OUT_OF_MEMORY)
