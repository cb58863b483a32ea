"""The training samples of a fold, from the slice table to a batch.

A batch is a dict of arrays:

    stack   uint16 (B, h, w, K)            the slices that the network sees
    bits    uint8 or uint16 (B, h, w)      the mask of each sample's slice, packed
    window  float32 (B, 2)                 low and high to normalise the stack with

and, by the names in `augment_params`, the changes that are left to the graph or to the
training step. Patches of D slices have stack and bits (B, h, w, D), window (B, D, 2).
"""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from competition.core.data import arrays, slice_table
from competition.core.experiment import configs
from competition.net.augment import augment_host, augment_params, engines
from competition.net.input import sampling, stack_samples
from competition.net.volumetric import patch_samples

if TYPE_CHECKING:
    import pandas as pd

Batch = dict[str, np.ndarray]
# TensorFlow and JAX copy an array that begins elsewhere.
ALIGNMENT = 64


class TrainingSamples:
    """Makes batches by their number since epoch 0; several threads may ask at once.

    A batch is a function of the config's seed and the number alone.
    """

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config
    ) -> None:
        self.table, self.store, self.config = table, store, config
        self.engine = engines.choose(config.augment)
        self.gatherer: patch_samples.PatchGatherer | stack_samples.StackGatherer
        if config.model.volumetric:
            self.gatherer = patch_samples.PatchGatherer(config)
        else:
            self.gatherer = stack_samples.StackGatherer(config)
        self.rows = list(zip(table["scan"], table["index"], strict=True))
        self.windows = _windows_by_scan(table, config.intensity)
        self.present = np.zeros(len(table), np.int64)
        if config.sampling.slices != "all":
            self.present = sampling.presence(table, store)
        self.steps = self._steps()
        self.specs = self._specs()
        # Threads at the end of an epoch and at the beginning of the next one.
        self.order = functools.lru_cache(maxsize=2)(self._order)

    def batch(self, number: int) -> Batch:
        """Return batch `number` since epoch 0."""
        rows, seeds = self._choose(number)
        batch = self._gather(rows, seeds)
        return self._augment(batch, seeds)

    def ids(self, number: int) -> list[str]:
        """Return the ids of the slices that batch `number` since epoch 0 is made of."""
        rows, _ = self._choose(number)
        return list(self.table["id"].iloc[rows])

    def _choose(self, number: int) -> tuple[np.ndarray, list[augment_params.Seed]]:
        """Return the rows of a batch, and the seed of all that is random in each."""
        size = self.config.training.batch
        epoch, step = divmod(number, self.steps)
        positions = range(step * size, (step + 1) * size)
        rows = self.order(epoch)[positions.start : positions.stop]
        return rows, [(self.config.seed, epoch, position) for position in positions]

    def _gather(self, rows: np.ndarray, seeds: list[augment_params.Seed]) -> Batch:
        stacks, bits = (_empty(*self.specs[name]) for name in ("stack", "bits"))
        windows = []
        for number, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
            scan, index = self.rows[row]
            # Indexing a memory map makes a new map each time; an array's is cheap.
            volume = np.asarray(self.store.scan(scan))
            masks = np.asarray(self.store.masks(scan))
            shown = self.gatherer.gather(
                volume, masks, index, stack=stacks[number], bits=bits[number], seed=seed
            )
            windows.append(self.windows[scan][shown])
        return {"stack": stacks, "bits": bits, "window": np.stack(windows)}

    def _augment(self, batch: Batch, seeds: list[augment_params.Seed]) -> Batch:
        """Draw the changes; make those of engine "host" here, carry on the others."""
        if self.engine == "none":
            return batch
        height, width = batch["stack"].shape[1:3]
        changes = augment_params.draw(self.config.augment, (height, width), seeds)
        if self.engine == "host":
            batch["window"] = augment_host.apply(**batch, changes=changes)
        carried = augment_params.CARRIED[self.engine]
        return batch | {name: changes[name] for name in changes if name in carried}

    def _order(self, epoch: int) -> np.ndarray:
        return sampling.order(
            self.present, self.config.sampling, seed=self.config.seed, epoch=epoch
        )

    def _steps(self) -> int:
        """Return the batches of an epoch; a ValueError says where there are too few."""
        training, unit = self.config.training, self.gatherer.UNIT
        rows = sampling.size(self.present, self.config.sampling)
        samples = self.gatherer.count(rows)
        steps = samples // training.batch
        if not steps:
            raise ValueError(
                f"Training needs at least one batch: `training.batch` is "
                f"{training.batch}, the fold has {samples} {unit} to train on. "
                f"Set training.batch={max(1, samples)} or less."
            )
        if steps < training.accumulate:
            raise ValueError(
                "An epoch needs batches for at least one step: `training.accumulate` "
                f"is {training.accumulate}, and {samples} {unit} make {steps} "
                f"batches of {training.batch}. "
                f"Set training.accumulate={steps} or less."
            )
        return steps

    def _specs(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Return the shape and type of each array of a batch, in their order."""
        changes = augment_params.shapes(self.config.augment)
        carried = augment_params.CARRIED[self.engine]
        shapes = self.gatherer.shapes | {
            name: changes[name] for name in changes if name in carried
        }
        first_scan, _ = self.rows[0]
        types: dict[str, np.dtype] = dict.fromkeys(shapes, np.dtype("float32"))
        types["stack"] = np.dtype("uint16")
        types["bits"] = self.store.masks(first_scan).dtype
        size = self.config.training.batch
        return {name: ((size, *shapes[name]), types[name]) for name in shapes}


def _windows_by_scan(table: "pd.DataFrame", intensity: str) -> dict[str, np.ndarray]:
    """Return the windows (D, 2) of each scan, at the index of each slice."""
    windows: dict[str, np.ndarray] = {}
    for scan, rows in table.groupby("scan", sort=False):
        indices = rows["index"].to_numpy()
        of_scan = np.zeros((indices.max() + 1, 2), np.float32)
        of_scan[indices] = slice_table.windows(rows, intensity)
        windows[str(scan)] = of_scan
    return windows


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of any values, which begins where it need not be copied."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)
