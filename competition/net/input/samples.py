"""The training samples of a fold, a batch at a time, as NumPy arrays."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from competition.core.data import arrays
from competition.core.experiment import configs
from competition.net.augment import augment_host, augment_params
from competition.net.input import buffers, sampling, stack_samples
from competition.net.volumetric import patch_samples

if TYPE_CHECKING:
    import pandas as pd


class TrainingSamples:
    """Gathers batches by number from memory-mapped scans; several threads may ask."""

    def __init__(
        self,
        table: "pd.DataFrame",
        store: arrays.Arrays,
        config: configs.Config,
        *,
        engine: str,
    ) -> None:
        cutter = (
            patch_samples.PatchSamples
            if config.model.volumetric
            else stack_samples.StackSamples
        )
        self.cutter = cutter(table, store, config)
        self.table = table
        self.config = config
        self.engine = engine
        self.present = np.zeros(len(table), np.int64)
        if config.sampling.slices != "all":
            self.present = sampling.presence(table, store)
        shown = self.cutter.size(sampling.size(self.present, config.sampling))
        self.steps = shown // config.training.batch
        if not self.steps:
            raise ValueError(
                f"Training needs at least one batch: `training.batch` is "
                f"{config.training.batch}, the fold has {shown} "
                f"{self.cutter.NAME} to train on. "
                f"Set training.batch={max(1, shown)} or less."
            )
        accumulate = config.training.accumulate
        if self.steps < accumulate:
            raise ValueError(
                "An epoch needs batches for at least one step: `training.accumulate` "
                f"is {accumulate}, and {shown} {self.cutter.NAME} make {self.steps} "
                f"batches of {config.training.batch}. "
                f"Set training.accumulate={self.steps} or less."
            )
        self.order = functools.lru_cache(maxsize=2)(self._order)
        stack, bits = ((config.training.batch, *each) for each in self.cutter.shapes)
        self._stacks = buffers.Buffers(stack, np.uint16)
        self._bits = buffers.Buffers(bits, store.masks(table["scan"].iloc[0]).dtype)

    def _order(self, epoch: int) -> np.ndarray:
        return sampling.order(
            self.present, self.config.sampling, seed=self.config.seed, epoch=epoch
        )

    def ids(self, number: int) -> list[str]:
        """Return the ids of the slices that batch `number` since epoch 0 is made of."""
        size = self.config.training.batch
        epoch, step = divmod(number, self.steps)
        rows = self.order(epoch)[step * size : (step + 1) * size]
        return list(self.table["id"].iloc[rows])

    def specs(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Names, shapes and types of what `batch` returns."""
        return {name: (each.shape, each.dtype) for name, each in self.batch(0).items()}

    def rows(self, number: int) -> np.ndarray:
        """Return the rows of the table that batch `number` since epoch 0 is made of."""
        epoch, step = divmod(number, self.steps)
        size = self.config.training.batch
        return self.order(epoch)[step * size : (step + 1) * size]

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Batch `number` since epoch 0: stack, bits, window, and what was drawn.

        Drawn is here what this engine leaves to others. The arrays are lent: read them,
        and let them go.
        """
        size = self.config.training.batch
        epoch, step = divmod(number, self.steps)
        positions = range(step * size, (step + 1) * size)
        rows = self.rows(number)
        stack, bits = self._stacks.take(), self._bits.take()
        windows = []
        for place, (row, position) in enumerate(zip(rows, positions, strict=True)):
            moment = self.config.seed, epoch, position
            fill = self.cutter.fill
            windows.append(fill(row, stack[place], bits[place], moment=moment))
        batch = {"stack": stack, "bits": bits, "window": np.stack(windows)}
        if self.engine == "none":
            return batch
        drawn = augment_params.batch(
            self.config.augment,
            (stack.shape[1], stack.shape[2]),
            seed=self.config.seed,
            epoch=epoch,
            positions=positions,
        )
        if self.engine == "host":
            batch["window"] = augment_host.apply(
                stack, bits, batch["window"], drawn=drawn
            )
        kept = augment_params.LEFT[self.engine]
        return batch | {name: drawn[name] for name in drawn if name in kept}
