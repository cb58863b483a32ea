"""The sample of a 2.5D network: a slice among its neighbours."""

import numpy as np

from competition.core import geometry, stacks
from competition.core.experiment import configs


class StackGatherer:
    """Gathers the stack around a slice, and the mask of that slice."""

    UNIT = "slices"

    def __init__(self, config: configs.Config) -> None:
        self.geometry, self.offsets = config.geometry, config.slices
        self.bits_shape = config.geometry.height, config.geometry.width
        self.stack_shape = *self.bits_shape, len(config.slices)

    def count(self, rows: int) -> int:
        """Return the samples in an epoch of `rows` rows: one for each."""
        return rows

    def gather(
        self,
        volume: np.ndarray,
        masks: np.ndarray,
        index: int,
        grid: geometry.Grid,
        *,
        stack: np.ndarray,
        bits: np.ndarray,
        seed: tuple[int, int, int],
    ) -> int:
        """Fill `stack` (h, w, K) and `bits` (h, w); return the slice of their window.

        `volume` and `masks` are (D, H, W). Nothing is random here: `seed` is unused.
        """
        box = grid.box(self.geometry)
        if box.shape != grid.scaled(self.geometry):
            gathered = stacks.gather(volume, index, self.offsets)
            stack[...] = geometry.fit(gathered, self.geometry, grid)
            bits[...] = geometry.fit_mask(masks[index], self.geometry, grid)
            return index
        volume, mask = volume[:, *box.slices], masks[index][box.slices]
        if mask.shape == bits.shape:
            # Without fitting, slices need no array in between.
            stacks.gather(volume, index, self.offsets, out=stack)
            bits[...] = mask
        else:
            geometry.place(stacks.gather(volume, index, self.offsets), stack)
            geometry.place(mask, bits)
        return index
