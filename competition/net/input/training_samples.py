"""The training samples of a fold, from the slice table to a batch.

A batch is a dict of arrays:

    stack   uint16 (B, h, w, K)            the slices that the network sees
    bits    uint8 or uint16 (B, h, w)      the mask of each sample's slice, packed
    window  float32 (B, 2)                 low and high to normalise the stack with

and, by the names in `augment_params`, the changes that are left to the graph or to the
training step. With `position` it has the place of each slice in its scan, float32 (B,).
Patches of D slices have stack and bits (B, h, w, D), window (B, D, 2). Where the scans
lie on the device, a batch has numbers int32 (B, 1 + K) instead of stack and bits: those
of each sample's slice and of the slices of its stack. Where the network is trained on
crops, it has the corner int32 (B, 2), the first row and column, as well.
"""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from competition.core import geometry, stacks
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs
from competition.net import augment, hosts
from competition.net.augment import augment_host, augment_params
from competition.net.input import resident_scans, sampling, stack_samples
from competition.net.volumetric import patch_samples

if TYPE_CHECKING:
    import pandas as pd

Batch = dict[str, np.ndarray]
Gatherer = patch_samples.PatchGatherer | stack_samples.StackGatherer
# TensorFlow and JAX copy an array whose address is no multiple of this.
ALIGNMENT = 64


class TrainingSamples:
    """Makes batches by their number since epoch 0; several threads may ask at once.

    A batch is a function of the config's seed and the number alone.
    """

    def __init__(
        self,
        table: "pd.DataFrame",
        store: arrays.Arrays,
        config: configs.Config,
        *,
        scans: resident_scans.ResidentScans | None = None,
    ) -> None:
        self.table, self.store, self.config = table, store, config
        self.engine = augment.engine(config.augment)
        self.gatherer = gatherer(config)
        self.rows = list(zip(table["scan"], table["index"], strict=True))
        # The numbers of the slices of each row, if the slices lie on the device.
        self.numbers: np.ndarray | None = None
        if scans:
            self.numbers = scans.numbers(self.rows, config.slices)
        self.grids = slice_table.grids(table)
        self.windows = _windows_by_scan(table, config.intensity)
        depths = np.array([len(self.windows[scan]) for scan in table["scan"]])
        self.positions = stacks.position(table["index"].to_numpy(), depths)
        self.present = np.zeros(len(table), np.int64)
        if config.sampling.slices != "all":
            self.present = sampling.presence(table, store)
        # Two: threads may work at the end of one epoch and the beginning of the next.
        self.order = functools.lru_cache(maxsize=2)(self._order)
        self.steps = self._steps()

    def batch(self, number: int) -> Batch:
        """Return batch `number` since epoch 0, or the part of it that a host reads."""
        own = hosts.part(self.config.training.batch)
        rows, seeds = self._choose(number)
        rows = rows[own]
        if self.numbers is None:
            batch = self._gather(rows, seeds[own])
        else:
            batch = {"numbers": self.numbers[rows]} | self._cut(rows, seeds[own])
        if self.engine != "none":
            batch = self._change(batch, seeds, own)
        if self.config.position:
            batch["position"] = self.positions[rows]
        return batch

    def _change(
        self, batch: Batch, seeds: list[augment_params.Seed], own: slice
    ) -> Batch:
        """Augment a host's `own` part of a batch, or add the changes to be made.

        The training step sees the whole batch, so partners of mixup and cutmix are
        drawn from the whole. A host that augments sees only its own part.
        """
        height, width = self.gatherer.bits_shape[:2]
        draw = functools.partial(
            augment_params.draw, self.config.augment, (height, width)
        )
        changes = draw(seeds[own])
        if self.engine == "host":
            batch["window"] = augment_host.apply(**batch, changes=changes)
        limits = self.config.augment
        if len(seeds) > len(batch["window"]) and (limits.cutmix or limits.mixup):
            changes = {name: each[own] for name, each in draw(seeds).items()}
        carried = augment_params.CARRIED[self.engine]
        return batch | {name: changes[name] for name in changes if name in carried}

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

    def _order(self, epoch: int) -> np.ndarray:
        return sampling.order(
            self.present, self.config.sampling, seed=self.config.seed, epoch=epoch
        )

    def _cut(self, rows: np.ndarray, seeds: list[augment_params.Seed]) -> Batch:
        """Return the windows and corners of slices that the device gathers and cuts."""
        chosen = [self.rows[row] for row in rows]
        windows = [self.windows[scan][index] for scan, index in chosen]
        batch = {"window": np.stack(windows)}
        gatherer = self.gatherer
        # A patch is never gathered on the device.
        if self.config.geometry.crop and not isinstance(
            gatherer, patch_samples.PatchGatherer
        ):
            corners = [
                gatherer.corner(functools.partial(self._mask, scan, index), seed)
                for (scan, index), seed in zip(chosen, seeds, strict=True)
            ]
            batch["corner"] = np.array(corners, np.int32)
        return batch

    def _mask(self, scan: str, index: int) -> np.ndarray:
        mask = self.store.masks(scan)[index]
        return geometry.fit_mask(mask, self.config.geometry, self.grids[scan])

    def _gather(self, rows: np.ndarray, seeds: list[augment_params.Seed]) -> Batch:
        first_scan, _ = self.rows[0]
        shape, frame = self.gatherer.stack_shape, self.gatherer.bits_shape
        stacks = _empty((len(rows), *shape), np.dtype(np.uint16))
        bits = _empty((len(rows), *frame), self.store.masks(first_scan).dtype)
        windows = []
        for number, (row, seed) in enumerate(zip(rows, seeds, strict=True)):
            scan, index = self.rows[row]
            # Indexing a memory map makes a new map each time; an array is cheaper.
            volume = np.asarray(self.store.scan(scan))
            masks = np.asarray(self.store.masks(scan))
            slices = self.gatherer.gather(
                volume,
                masks,
                index,
                self.grids[scan],
                stack=stacks[number],
                bits=bits[number],
                seed=seed,
            )
            windows.append(self.windows[scan][slices])
        return {"stack": stacks, "bits": bits, "window": np.stack(windows)}

    def _steps(self) -> int:
        """Return the number of batches in an epoch; raise an error if too few."""
        training, unit = self.config.training, self.gatherer.UNIT
        samples = self.gatherer.count(len(self.order(0)))
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


def gatherer(config: configs.Config) -> Gatherer:
    """Return what gathers the samples of a network: patches or stacks."""
    if config.model.volumetric:
        return patch_samples.PatchGatherer(config)
    return stack_samples.StackGatherer(config)


def _windows_by_scan(table: "pd.DataFrame", intensity: str) -> dict[str, np.ndarray]:
    """Return the windows (D, 2) of each scan, at the index of each slice."""
    windows: dict[str, np.ndarray] = {}
    for scan, rows in table.groupby("scan", sort=False):
        indices = rows["index"].to_numpy()
        windows[str(scan)] = np.zeros((indices.max() + 1, 2), np.float32)
        windows[str(scan)][indices] = slice_table.windows(rows, intensity)
    return windows


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of any values, aligned so that no backend copies it."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)
