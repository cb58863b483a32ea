"""The training samples of a fold, a batch at a time, as NumPy arrays."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from competition.core import arrays, config, geometry, slices, stacks
from competition.net import augment_host, buffers, draw, sampling

if TYPE_CHECKING:
    import pandas as pd


class Samples:
    """Gathers batches by number from memory-mapped scans; several threads may ask."""

    def __init__(
        self,
        table: "pd.DataFrame",
        arrays: arrays.Arrays,
        config: config.Config,
        *,
        engine: str,
    ) -> None:
        self.scans = table["scan"].tolist()
        self.indices = table["index"].tolist()
        self.windows = slices.windows(table, config.intensity)
        self.arrays = arrays
        self.config = config
        self.engine = engine
        self.present = np.zeros(len(table), np.int64)
        if config.sampling.slices != "all":
            self.present = sampling.presence(table, arrays)
        shown = sampling.size(self.present, config.sampling)
        self.steps = shown // config.training.batch
        if not self.steps:
            raise ValueError(
                f"Training needs at least one batch: `training.batch` is "
                f"{config.training.batch}, the fold has {shown} slices to train on. "
                f"Set training.batch={max(1, shown)} or less."
            )
        self.order = functools.lru_cache(maxsize=2)(self._order)
        shape = config.training.batch, config.geometry.height, config.geometry.width
        bits = arrays.masks(self.scans[0]).dtype
        self._stacks = buffers.Buffers((*shape, len(config.slices)), np.uint16)
        self._bits = buffers.Buffers(shape, bits)

    def _order(self, epoch: int) -> np.ndarray:
        return sampling.order(
            self.present, self.config.sampling, seed=self.config.seed, epoch=epoch
        )

    def specs(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Names, shapes and types of what `batch` returns."""
        return {name: (each.shape, each.dtype) for name, each in self.batch(0).items()}

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Batch `number` since epoch 0: stack, bits, window, and what was drawn.

        Drawn is here what this engine leaves to others. The arrays are lent: read them,
        and let them go.
        """
        size = self.config.training.batch
        epoch, step = divmod(number, self.steps)
        positions = range(step * size, (step + 1) * size)
        rows = self.order(epoch)[positions.start : positions.stop]
        stack, bits = self._stacks.take(), self._bits.take()
        for place, row in enumerate(rows):
            self._fill(row, stack[place], bits[place])
        batch = {"stack": stack, "bits": bits, "window": self.windows[rows]}
        if self.engine == "none":
            return batch
        drawn = draw.batch(
            self.config.augment,
            (self.config.geometry.height, self.config.geometry.width),
            seed=self.config.seed,
            epoch=epoch,
            positions=positions,
        )
        if self.engine == "host":
            batch["window"] = augment_host.apply(
                stack, bits, batch["window"], drawn=drawn
            )
        kept = draw.LEFT[self.engine]
        return batch | {name: drawn[name] for name in drawn if name in kept}

    def _fill(self, row: int, stack: np.ndarray, bits: np.ndarray) -> None:
        """Write one sample into its places (h, w, K) and (h, w)."""
        scan, index = self.scans[row], self.indices[row]
        volume = np.asarray(self.arrays.scan(scan))
        mask = np.asarray(self.arrays.masks(scan))[index]
        target = self.config.geometry
        if mask.shape == bits.shape:
            # Nothing to fit: no array in between.
            stacks.gather(volume, index, self.config.slices, out=stack)
            bits[...] = mask
            return
        gathered = stacks.gather(volume, index, self.config.slices)
        if target.fit == "pad":
            geometry.place(gathered, stack)
            geometry.place(mask, bits)
        else:
            stack[...] = geometry.fit(gathered, target)
            bits[...] = geometry.fit_mask(mask, target)
