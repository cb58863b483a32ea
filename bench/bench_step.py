"""Time the training step: through `fit`, beside PyTorch's, and in bfloat16."""

import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from bench import clock
from competition.core.data import arrays
from competition.core.experiment import configs, layout
from competition.net import devices
from competition.net.input import training_data
from competition.net.networks import build
from competition.net.training import callbacks, losses, progress, schedules, step

STEPS = 4


def main() -> None:
    """Print the ratios; each side of a comparison computes alone."""
    fit_against_the_bare_step()
    against_torch()
    bfloat16()


def fit_against_the_bare_step() -> None:
    """Compare `fit` on batches of 8 with their input, and steps on one in memory.

    On few cores, input and step share the cores. Processor time is not affected by
    other programs, unlike the clock.
    """
    with tempfile.TemporaryDirectory() as name:
        for engine, place in (("host", "host"), ("none", "host"), ("none", "device")):
            bare, fit = _ways(pathlib.Path(name), engine, place)
            what = f"engine {engine}, scans on the {place}"
            ratio = clock.alternate(bare, fit, repeats=5)
            clock.say(f"rate of `fit` / of the bare step, {what}", ratio, ">= 0.95")
            ratio = statistics.median(_busy(bare) / _busy(fit) for _ in range(5))
            clock.say(f"the same in processor time, {what}", ratio, ">= 0.95")


def _busy(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _ways(root: pathlib.Path, engine: str, place: str) -> tuple[Callable, Callable]:
    """Return the bare step and `fit`, equally often, on slices of 266 x 266."""
    import tensorflow as tf

    size = "geometry.fit=pad", "geometry.height=272", "geometry.width=272"
    asked = f"augment.engine={engine}", f"input.place={place}"
    wanted = configs.load("smoke", (*asked, *size))
    data = training_data.TrainingData(*_data(root))
    # A stream of tf.data has no threads that end with the block.
    with data.batches(wanted) as stream:
        pass
    model = step.TrainingStep(
        build.build(wanted, 3), losses.build(wanted.loss), scans=data.scans
    )
    optimizer = schedules.build_optimizer(wanted.training, steps=STEPS)
    xla = devices.xla("auto", devices.find())
    model.compile(optimizer=optimizer, jit_compile=xla)
    watch = callbacks.WatchSteps(progress.FoldProgress("fold 0", 1))
    held = iter(tf.data.Dataset.from_tensors(next(iter(stream))).repeat())

    def fit() -> None:
        model.fit(stream, steps_per_epoch=STEPS, verbose=0, callbacks=[watch])

    def bare() -> None:
        for _ in range(STEPS):
            model.train_function(held)

    fit()
    bare()
    return bare, fit


def _data(root: pathlib.Path) -> tuple[pd.DataFrame, arrays.Arrays]:
    """Return two scans of the competition's usual size, with noise as their masks."""
    place, random = layout.DatasetFiles(root), np.random.default_rng(0)
    names = [f"case{number}_day0" for number in range(2)]
    for name in names:
        shape = 144, 266, 266
        arrays.write(place.scan(name), random.integers(0, 999, shape, np.uint16))
        arrays.write(place.masks(name), random.integers(0, 8, shape, np.uint8))
    columns = {"low": 0.0, "high": 999.0, "scan_low": 0.0, "scan_high": 999.0}
    columns |= dict.fromkeys(("height", "width", "box_bottom", "box_right"), 266)
    columns |= {"box_top": 0, "box_left": 0, "spacing_x_mm": 1.5, "spacing_y_mm": 1.5}
    rows = [{"scan": name, "index": i, **columns} for name in names for i in range(144)]
    return pd.DataFrame(rows), arrays.Arrays(place)


def against_torch() -> None:
    """Compare time and peak memory of the same U-Net, measured in turn."""
    if importlib.util.find_spec("torch") is None:
        print("| step of PyTorch / ours | torch is not installed | >= 1 |")
        return
    pairs = [(_step("torch"), _step("keras")) for _ in range(3)]
    for key, what in (("ms", "step"), ("mib", "peak memory")):
        ratios = [theirs[key] / ours[key] for theirs, ours in pairs]
        clock.say(f"{what} of PyTorch / ours", statistics.median(ratios), ">= 1")
    shares = [_step("product")["ms"] / ours["ms"] for _, ours in pairs]
    what = "a matrix product of as many operations / our step"
    clock.say(what, statistics.median(shares), "<= 1")


def bfloat16() -> None:
    """Compare bfloat16 with float32 here: a CPU without instructions is slower."""
    pairs = [(_step("keras", "bfloat16"), _step("keras")) for _ in range(3)]
    ratio = statistics.median(half["ms"] / full["ms"] for half, full in pairs)
    clock.say(f"step in bfloat16 / float32, {_instructions()}", ratio, "-")
    full = pairs[0][1]
    clock.say("step in float32, an image of 128 px", full["ms"], "-", "ms")
    clock.say("its process at its peak", full["mib"], "-", "MiB")


def _instructions() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    flags = path.read_text("utf-8").split() if path.is_file() else []
    found = [each for each in ("avx512_bf16", "amx_bf16") if each in flags]
    return "with " + ", ".join(found) if found else "a CPU that has to emulate it"


def _step(framework: str, dtype: str = "float32") -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.one_step", framework, dtype],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result
