"""The scans and masks of a fold in the memory of the device, if they fit.

A batch then carries the numbers of its slices, and the training step gathers them.
"""

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from competition.core import geometry
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs
from competition.net import augment, devices, hosts

if TYPE_CHECKING:
    import pandas as pd

Tensor = Any
# The part of the device's memory that scans may take; a network needs the rest.
SHARE = 0.4
WORD = np.dtype(devices.INDEX)


class ResidentScans(keras.layers.Layer):
    """All slices of the scans in `table`, fitted to the geometry, and their masks.

    Several pixels are packed into one word, because TensorFlow cannot gather smaller
    numbers on a GPU.
    """

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config
    ) -> None:
        super().__init__(name="scans", trainable=False)
        self.frame = config.geometry.frame
        names, grids = slice_table.scans(table), slice_table.grids(table)
        depths = [len(store.scan(name)) for name in names]
        self.first = dict(zip(names, np.cumsum([0, *depths]).tolist(), strict=False))
        self.depths = dict(zip(names, depths, strict=True))
        slices = _packed(sum(depths), self.frame, np.dtype(np.uint16))
        self.mask_type = store.masks(names[0]).dtype
        masks = _packed(sum(depths), self.frame, self.mask_type)
        pixels = math.prod(self.frame)
        for name in names:
            pairs = zip(store.scan(name), store.masks(name), strict=True)
            for number, (image, mask) in enumerate(pairs, start=self.first[name]):
                fitted = geometry.fit(image, config.geometry, grids[name])
                slices[number, :pixels] = fitted.ravel()
                bits = geometry.fit_mask(mask, config.geometry, grids[name])
                masks[number, :pixels] = bits.ravel()
        self.slices, self.masks = (
            keras.Variable(each.view(WORD), dtype=WORD.name, trainable=False)
            for each in (slices, masks)
        )

    def numbers(
        self, rows: list[tuple[str, int]], offsets: tuple[int, ...]
    ) -> np.ndarray:
        """Return the numbers (N, 1 + K) of rows: the slice, and those of its stack."""
        stacks = (
            np.array([0, *offsets]) + np.array([index for _, index in rows])[:, None]
        )
        last = np.array([self.depths[scan] - 1 for scan, _ in rows])[:, None]
        first = np.array([self.first[scan] for scan, _ in rows])[:, None]
        return (first + np.clip(stacks, 0, last)).astype(np.int32)

    def call(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stacks (B, H, W, K) and mask bits (B, H, W) of numbers (B, 1 + K).

        They are the same as in a batch from the host.
        """
        numbers = ops.cast(numbers, devices.INDEX)
        stacks = self._gather(self.slices, numbers[:, 1:], "uint16")
        bits = self._gather(self.masks, numbers[:, 0], self.mask_type.name)
        return ops.transpose(stacks, (0, 2, 3, 1)), bits

    def _gather(self, packed: Tensor, numbers: Tensor, dtype: str) -> Tensor:
        taken = ops.view(ops.take(packed, numbers, axis=0), dtype)
        shape = (*numbers.shape, *self.frame)
        return ops.reshape(taken[..., : math.prod(self.frame)], shape)


def place(table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config) -> str:
    """Return where a fold's scans are gathered: "device" or "host".

    "auto" is the device if it is no CPU, augments samples itself and has the memory.
    """
    asked, obstacle = config.input.place, _obstacle(config)
    if asked == "device" and obstacle:
        raise ValueError(
            '`input.place` = "device" needs a 2.5D network, the augmentation engine '
            f'"device" or "none", and no mirrored GPUs. Received: {obstacle}. '
            'Set input.place="host".'
        )
    if asked != "auto":
        return asked
    free = None if obstacle else devices.free_memory()
    fits = free is not None and size(table, store, config) <= SHARE * free
    return "device" if all(hosts.gather(fits)) else "host"


def _obstacle(config: configs.Config) -> str | None:
    """Return why scans cannot be gathered on the device, or None if they can."""
    engine, device = augment.engine(config.augment), devices.find()
    if config.model.volumetric:
        return "a 3D network"
    if engine not in {"none", "device"}:
        return f"engine {engine}"
    if not devices.accumulates(config.training.gpus, device):
        return "mirrored GPUs"
    return None


def size(table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config) -> int:
    """Return the bytes that the scans of a fold and their masks take on the device."""
    names = slice_table.scans(table)
    pixel = 2 + store.masks(names[0]).itemsize
    slices = sum(len(store.scan(name)) for name in names)
    return slices * config.geometry.height * config.geometry.width * pixel


def _packed(slices: int, frame: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Return zeros (slices, P), rows of whole words with room for a slice."""
    words = math.ceil(math.prod(frame) * dtype.itemsize / WORD.itemsize)
    return np.zeros((slices, words * WORD.itemsize // dtype.itemsize), dtype)
