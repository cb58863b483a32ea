"""Run `fit` with its input: scans of noise, streamed from the host or on the device."""

import pathlib
import statistics
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import pandas as pd

from bench.gpu import cases
from competition.core.data import arrays
from competition.core.experiment import configs, layout
from competition.net.input import resident_scans, training_data

EPOCHS, SCANS = 3, 4
STEPS = 2 if cases.TOY else 24


class Data:
    """Scans of the competition's usual size in `root`, repeated as an epoch needs."""

    def __init__(self, root: str, config: configs.Config) -> None:
        slices = 8 if cases.TOY else 144
        sampling = config.sampling.model_copy(update={"slices": "all"})
        length = {"epochs": EPOCHS + 1, "accumulate": 1}
        training = config.training.model_copy(update=length)
        self.config = config.model_copy(
            update={"sampling": sampling, "training": training}
        )
        place = layout.DatasetFiles(pathlib.Path(root))
        names = [f"case{number}_day0" for number in range(SCANS)]
        for name in names:
            _write(place, name, slices)
        rows = [(name, index) for name in names for index in range(slices)]
        needed = STEPS * config.training.batch * (16 if config.model.volumetric else 1)
        rows *= -(-needed // len(rows))
        table = pd.DataFrame(rows, columns=["scan", "index"])
        table["id"] = table["scan"] + "_" + table["index"].astype(str)
        for low, high in (("low", "high"), ("scan_low", "scan_high")):
            table[low], table[high] = 0.0, 999.0
        table[["height", "width", "box_bottom", "box_right"]] = _side()
        table[["box_top", "box_left"]] = 0
        table[["spacing_x_mm", "spacing_y_mm"]] = 1.5
        self.data = training_data.TrainingData(table, arrays.Arrays(place))

    @property
    def scans(self) -> resident_scans.ResidentScans | None:
        """The scans that are on the device, inside `batches`."""
        return self.data.scans

    @property
    def steps(self) -> int:
        """The steps of an epoch, no more than are worth their time."""
        return min(STEPS, self.data.steps)

    def batches(self) -> AbstractContextManager[Iterable]:
        """All batches, as a training gets them."""
        return self.data.batches(self.config)


def _side() -> int:
    return 40 if cases.TOY else 266


def _write(place: layout.DatasetFiles, name: str, slices: int) -> None:
    if place.scan(name).is_file():
        return
    random = np.random.default_rng(0)
    shape = slices, _side(), _side()
    bits = np.zeros(shape, np.uint8)
    bits[:, 10:30, 10:30] = 3
    arrays.write(place.scan(name), random.integers(1, 999, shape, np.uint16))
    arrays.write(place.masks(name), bits)


def seconds_of_fit(model: keras.Model, stream: Iterable, steps: int) -> float:
    """Return the seconds of a step through `fit`: of the epochs after the first."""
    clock = _Clock()
    model.fit(
        stream,
        steps_per_epoch=steps,
        epochs=EPOCHS,
        verbose=0,
        shuffle=False,
        callbacks=[clock],
    )
    return statistics.median(clock.seconds[1:]) / steps


class _Clock(keras.callbacks.Callback):
    """The seconds of each epoch; its loss, which Keras reads, waits for its end."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self.began)
