"""`python -m bench.gpu.speed`: the project's training step under JAX, timed.

ceilings            what the device multiplies and copies at best
pair SIZE           the U-Net at a size of `cases.PAIRS`, the batch on the device
experiment NAME..   shipped experiments: the bare step, and `fit` with its input
"""

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp

from bench.gpu import cases, fitting, flops, report
from competition.core.experiment import configs
from competition.net import devices
from competition.net.input import resident_scans
from competition.net.networks import build
from competition.net.training import losses, schedules, setup, step

# The places where scans can be gathered.
PLACES = "host", "device"


def ceilings() -> None:
    """Report the device, and how fast a large product and a large copy are."""
    side, length = (256, 2**16) if cases.TOY else (8192, 2**29)
    dtype = _policy().removeprefix("mixed_")
    matrix = jnp.ones((side, side), dtype)
    vector = jnp.ones(length, "float32")
    product = _seconds(jax.jit(jnp.matmul), matrix, matrix)
    copied = _seconds(jax.jit(lambda each: each + 1), vector)
    device = jax.devices()[0]
    report.say(
        "device",
        device=device.device_kind,
        platform=device.platform,
        count=jax.local_device_count(),
        dtype=dtype,
        tflops=2 * side**3 / product / 1e12,
        gb_s=2 * vector.nbytes / copied / 1e9,
        memory_gb=(device.memory_stats() or {}).get("bytes_limit", 0) / 1e9,
        jax=jax.__version__,
        keras=keras.__version__,
        numpy=np.__version__,
        python=sys.version.split()[0],
    )


def _seconds(function: Any, *arrays: Any) -> float:
    def steps(count: int) -> None:
        for _ in range(count):
            result = function(*arrays)
        jax.block_until_ready(result)

    return cases.timed(steps, at_most=1.0).seconds


def pair(size: str) -> None:
    """Time the bare step of the U-Net at a size, without augmentation."""
    for batch in cases.PAIRS[size][1]:
        config = cases.pair(size, batch)
        model = _model(config, scans=None)
        _bare("unet", config, model, cases.batch_of(config), engine="none")
        jax.clear_caches()


def experiment(*names: str) -> None:
    """Time experiments with and without augmentation, resident and streamed.

    The bare step takes the same batch again and again, which is on the device already.
    """
    for name in names:
        _ways(name)


def _ways(name: str) -> None:
    ways = [(engine, place) for engine in ("device", "none") for place in PLACES]
    if cases.TOY:
        # One proves augmentation and scans on the device, the others their networks.
        ways = [("device", "device")] if name == "unet" else [("none", "host")]
    with tempfile.TemporaryDirectory() as root:
        for engine, place in ways:
            asked = f"augment.engine={engine}", f"input.place={place}"
            config = cases.experiment(name, *asked)
            # Patches are cut on the host.
            if place == "host" or not config.model.volumetric:
                data = fitting.Data(root, config)
                _experiment(name, config, data, engine, place)
                jax.clear_caches()


def _experiment(
    name: str, config: configs.Config, data: fitting.Data, engine: str, place: str
) -> None:
    with data.batches() as stream:
        model = _model(config, scans=data.scans)
        (batch,) = next(stream)
        bare = _bare(name, config, model, batch, engine=engine, place=place)
        seconds = fitting.seconds_of_fit(model, stream, data.steps)
    report.say(
        "fit",
        experiment=name,
        engine=engine,
        place=place,
        ms=1e3 * seconds,
        of_bare=bare.seconds / seconds,
    )


def _model(
    config: configs.Config, scans: resident_scans.ResidentScans | None
) -> step.TrainingStep:
    """Build the training step as a training does."""
    setup.seed(0, deterministic=False)
    with devices.policy(config.training.precision, devices.find()):
        network = build.build(config, cases.CLASSES)
        scales = keras.config.dtype_policy().name == "mixed_float16"
    model = step.TrainingStep(network, losses.build(config.loss), scans=scans)
    optimizer = schedules.build_optimizer(config.training, steps=1000)
    if scales:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=True)
    return model


def _policy() -> str:
    return devices.precision("auto", devices.find())


def _bare(
    name: str,
    config: configs.Config,
    model: step.TrainingStep,
    batch: dict[str, np.ndarray],
    *,
    engine: str,
    place: str = "host",
) -> cases.Timing:
    """Time the compiled step alone, and say what it takes."""
    before = _peak()
    held = jax.device_put(batch)
    # Compile first, as the first epoch of `fit` does.
    began = time.perf_counter()
    model.fit(_repeated(held, 1), steps_per_epoch=1, verbose=0, shuffle=False)
    compiling = time.perf_counter() - began
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    # The step takes its state over.
    kept = [jax.tree.map(jnp.copy, state)]

    def steps(count: int) -> None:
        feed = iter(_repeated(held, count))
        for _ in range(count):
            logs, kept[0] = model.train_function(kept[0], _Chunks(feed))
        jax.block_until_ready(logs)

    timing = cases.timed(steps)
    count = config.training.batch
    work = flops.of_step(model.network) * count / timing.seconds
    report.say(
        "step",
        framework="Keras",
        experiment=name,
        size=_size(config),
        batch=count,
        engine=engine,
        place=place,
        precision=_policy().removeprefix("mixed_"),
        ms=1e3 * timing.seconds,
        spread=timing.spread,
        images_s=count / timing.seconds,
        tflops=work / 1e12,
        # The peak of the process never falls, so a smaller one cannot be measured.
        memory_gb=_peak() / 1e9 if _peak() > before else 0,
        compile_s=compiling,
    )
    return timing


def _peak() -> int:
    """Return the most bytes of the device that this process has held."""
    return int((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0))


def _size(config: configs.Config) -> str:
    if config.model.volumetric:
        return " x ".join(map(str, config.model.patch))
    sides = config.geometry.height, config.geometry.width, len(config.slices)
    return " x ".join(map(str, sides))


def _repeated(batch: Any, count: int) -> Iterable[tuple[Any]]:
    return ((batch,) for _ in range(count))


class _Chunks:
    """An iterator from which a training function of Keras takes its next batch."""

    def __init__(self, feed: Iterator[Any]) -> None:
        self.feed = feed

    def __next__(self) -> Any:
        return next(self.feed)


if __name__ == "__main__":
    {"ceilings": ceilings, "pair": pair, "experiment": experiment}[sys.argv[1]](
        *sys.argv[2:]
    )
