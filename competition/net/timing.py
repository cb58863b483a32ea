"""Measure the time of a training step and of a slice on this device, on random data."""

import dataclasses
import functools
import itertools
import math
import statistics
import time
from typing import Any

import numpy as np
import pandas as pd

from competition.core import axes, geometry, masks
from competition.core.data import arrays
from competition.core.experiment import configs
from competition.machine import gpus
from competition.net import devices, needs
from competition.net.frameworks import keras
from competition.net.inference import scan_predictor
from competition.net.input import resident_scans, training_data, training_samples
from competition.net.networks import build
from competition.net.training import fitting, setup, xla_trial

# The first WARM_UP steps compile. Fewer than TIMED steps are timed if they take longer
# than MOST_SECONDS.
WARM_UP, TIMED, MOST_SECONDS = 3, 20, 120.0
# The usual scan of the competition: slices, height and width, and millimetres a pixel.
DEPTH, SHAPE, SPACING = 144, (266, 266), 1.5


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """A network, what its training needs, and the seconds of a step and of a slice.

    The seconds are None if the device has no memory for a batch. A slice is predicted
    by one fold in all its views, of which there are `views`. `scans` are the bytes of a
    fold's scans on the device, 0 if the host keeps them.
    """

    device: str
    parameters: int
    needs: needs.Needs
    scans: int
    views: int
    step: float | None
    slice: float | None


def measure(config: configs.Config, classes: int, *, slices: int, depth: int) -> Timing:
    """Build the network of an experiment, train it for a few steps, and predict.

    `slices` is the number that a fold trains on; the device may hold their scans. A
    scan has `depth` slices, of which a batch of a short one has no more.
    """
    if len(config.folds) > 1 and len(gpus.environments(config.training.gpus)) > 1:
        # Each GPU trains a fold of its own; here JAX would share a batch among all.
        alone = config.training.model_copy(update={"gpus": "one"})
        config = config.model_copy(update={"training": alone})
    device, training = devices.find(), config.training
    setup.seed(config.seed, deterministic=False)
    pixel = 2 + np.dtype(masks.bits_type(classes)).itemsize
    scans = slices * math.prod(config.geometry.frame) * pixel
    free = devices.free_memory() if config.input.place == "auto" else None
    if free is not None and scans > resident_scans.SHARE * free:
        config = config.model_copy(
            update={"input": config.input.model_copy(update={"place": "host"})}
        )
    random = RandomScans(config, classes)
    data = training_data.TrainingData(random.table, random)
    member = scan_predictor.Member("plan", config, {})
    with (
        devices.policy(training.precision, device),
        devices.shared(training.gpus, device),
    ):
        with devices.memory_for("the network"):
            network = build.build(config, classes)
        member = dataclasses.replace(member, networks={0: network})
        about = functools.partial(
            Timing,
            device=setup.description(config, data),
            parameters=network.count_params(),
            needs=needs.of(network, config, device),
            scans=scans if data.place(config) == "device" else 0,
            views=len(member.chosen([0], tta=True).views),
        )
        try:
            step = _step_seconds(network, config, data)
            return about(step=step, slice=_slice_seconds(member, random, depth))
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            return about(step=None, slice=None)


class RandomScans(arrays.Arrays):
    """Arrays without files: scans of noise, with boxes of organs in half the slices.

    `table` is their slice table, with slices enough for a step.
    """

    def __init__(self, config: configs.Config, classes: int) -> None:
        random, training = np.random.default_rng(0), config.training
        self._scan = random.integers(0, 1000, (DEPTH, *SHAPE), np.uint16)
        self._masks = np.zeros((DEPTH, *SHAPE), masks.bits_type(classes))
        # Every class in each of these slices.
        self._masks[: DEPTH // 2, 80:160, 80:160] = 2**classes - 1
        samples_of = training_samples.gatherer(config).count
        # A patch may have more voxels than the slices of a scan that hold an organ.
        count = next(
            scans
            for scans in itertools.count(1)
            if samples_of(scans * DEPTH // 2) >= training.batch * training.accumulate
        )
        columns = {"low": 0.0, "high": 1000.0, "scan_low": 0.0, "scan_high": 1000.0}
        columns |= dict.fromkeys(("height", "box_bottom"), SHAPE[0])
        columns |= dict.fromkeys(("width", "box_right"), SHAPE[1])
        columns |= dict.fromkeys(("box_top", "box_left"), 0)
        columns |= dict.fromkeys(("spacing_x_mm", "spacing_y_mm"), SPACING)
        rows = [
            {"id": f"case{case}_day0_slice_{index:04}", "scan": f"case{case}_day0"}
            | {"index": index, **columns}
            for case in range(count)
            for index in range(DEPTH)
        ]
        self.table = pd.DataFrame(rows)

    def scan(self, name: str) -> np.ndarray:
        """Return the same noise for every scan."""
        return self._scan

    def masks(self, name: str) -> np.ndarray:
        """Return the same masks for every scan."""
        return self._masks


class _StepClock(keras.callbacks.Callback):
    """Takes the time at the end of each step; stops once the steps take too long."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())
        timed = self.ends[WARM_UP:]
        if timed and timed[-1] - self.ends[WARM_UP - 1] > MOST_SECONDS:
            self.model.stop_training = True


def _step_seconds(
    network: keras.Model, config: configs.Config, data: training_data.TrainingData
) -> float:
    """Return the median seconds of a batch through `fit`, its input included."""
    training = config.training
    # Enough epochs for all steps: batches are made only while steps are computed.
    settings = training.model_copy(update={"epochs": WARM_UP + TIMED})
    with data.batches(config.model_copy(update={"training": settings})) as batches:
        compiled = functools.partial(fitting.compiled, network, config, data, 0)
        model = compiled(xla_trial.choose(training, network, compiled, batches))
        clock = _StepClock()
        model.fit(
            batches,
            steps_per_epoch=WARM_UP + TIMED,
            shuffle=False,
            callbacks=[clock],
            verbose=0,
        )
    ends = clock.ends[WARM_UP - 1 :]
    return statistics.median(b - a for a, b in itertools.pairwise(ends))


def _slice_seconds(
    member: scan_predictor.Member, random: RandomScans, depth: int
) -> float:
    """Return the seconds per slice of a second prediction, when all is compiled.

    Slices are those across the network's axis.
    """
    predictor = scan_predictor.ScanPredictor([member])
    count = min(depth, predictor.typical_slices())
    volume = np.resize(random.scan(""), (count, *SHAPE))
    windows = np.tile(np.array([0, 1000], np.float32), (count, 1))
    grid = geometry.Grid(SHAPE, (SPACING, SPACING))
    for _ in range(2):
        began = time.perf_counter()
        predictor.predict(volume, {"slice": windows, "scan": windows}, grid)
    return (time.perf_counter() - began) / len(axes.turn(volume, member.config.axis))
