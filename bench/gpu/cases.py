"""The training steps that are timed, at full and at toy size, and the clock."""

import dataclasses
import os
import pathlib
import statistics
import time
from collections.abc import Callable

import numpy as np

from competition.core.experiment import configs

TOY = bool(os.environ.get("GPU_TOY"))
OUT = pathlib.Path(os.environ.get("GPU_OUT", "work/gpu"))
CLASSES = 3
# Height, width and slices beside PyTorch, and batches.
PAIRS = {
    "toy": ((32, 32, 4), (2,)),
    # The smallest first: JAX reports only the peak of a process.
    "small": ((192, 160, 4), (32, 128)),
    "large": ((320, 384, 5), (32, 128)),
}


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of a step: their median, and their whole range as a share of it."""

    seconds: float
    spread: float


def pair(size: str, batch: int) -> configs.Config:
    """Return the U-Net of `unet` at one of the sizes of `PAIRS`."""
    height, width, slices = PAIRS[size][0]
    offsets = list(range(-(slices // 2), slices - slices // 2))
    asked = [
        f"geometry.height={height}",
        f"geometry.width={width}",
        f"slices={offsets}",
        f"training.batch={batch}",
    ]
    if TOY:
        asked.append("model.widths=[4, 4]")
    return configs.load("unet", tuple(asked))


def experiment(name: str, *more: str) -> configs.Config:
    """Return a shipped experiment, or one like it at toy size."""
    if not TOY:
        return configs.load(name, more)
    tiny = (
        "geometry.height=32",
        "geometry.width=32",
        # XLA compiles what has the same shape once.
        "model.widths=[4, 4, 4]",
        "model.patch=[4, 8, 8]",
        "training.batch=2",
    )
    return configs.load(name, (*tiny, *more))


def batch_of(config: configs.Config) -> dict[str, np.ndarray]:
    """Return a batch as the training step takes it: noise, and blocks of two organs."""
    random = np.random.default_rng(0)
    count, frame = (
        config.training.batch,
        (config.geometry.height, config.geometry.width),
    )
    stack = random.integers(1, 1000, (count, *frame, len(config.slices)))
    bits = np.zeros((count, *frame), np.uint8)
    bits[:, 8:20, 8:30] = 3
    bits[: count // 2, 18:29, 5:15] |= 4
    stack[bits > 0] += 400
    window = np.tile(np.float32([10, 900]), (count, 1))
    return {"stack": stack.astype(np.uint16), "bits": bits, "window": window}


def timed(steps: Callable[[int], object], *, at_most: float = 3.0) -> Timing:
    """Time `steps(count)`, which waits for its end: 7 repeats within seconds."""
    steps(1 if TOY else 3)
    began = time.perf_counter()
    steps(1)
    once = time.perf_counter() - began
    repeats = 2 if TOY else 7
    count = 1 if TOY else max(1, min(50, round(at_most / repeats / once)))
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        steps(count)
        taken.append((time.perf_counter() - began) / count)
    middle = statistics.median(taken)
    return Timing(middle, (max(taken) - min(taken)) / middle)
