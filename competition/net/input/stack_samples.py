"""The sample of a 2.5D network: a slice among its neighbours."""

from collections.abc import Callable

import numpy as np

from competition.core import geometry, stacks
from competition.core.experiment import configs
from competition.net.volumetric import patches


class StackGatherer:
    """Gathers the stack around a slice, and the mask of that slice."""

    UNIT = "slices"

    def __init__(self, config: configs.Config) -> None:
        self.geometry, self.offsets = config.geometry, config.slices
        self.frame = config.geometry.frame
        self.bits_shape = config.geometry.trained_size
        self.centred = config.sampling.centred
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

        `volume` and `masks` are (D, H, W). The place of a crop is a function of `seed`.
        """
        if self.geometry.crop:
            gathered = stacks.gather(volume, index, self.offsets)
            fitted = geometry.fit_mask(masks[index], self.geometry, grid)
            y, x = self.corner(lambda: fitted, seed)
            part = np.s_[y : y + bits.shape[0], x : x + bits.shape[1]]
            stack[...] = geometry.fit(gathered, self.geometry, grid)[part]
            bits[...] = fitted[part]
        else:
            self._gather_whole(volume, masks, index, grid, stack=stack, bits=bits)
        return index

    def corner(
        self, fitted: Callable[[], np.ndarray], seed: tuple[int, int, int]
    ) -> list[int]:
        """Return the first row and column of the crop of a slice.

        `fitted` returns its fitted mask; it is called only for a crop around an organ.
        """
        return patches.corner(
            fitted,
            self.bits_shape,
            self.frame,
            centred=self.centred,
            seed=seed,
        )

    def _gather_whole(
        self,
        volume: np.ndarray,
        masks: np.ndarray,
        index: int,
        grid: geometry.Grid,
        *,
        stack: np.ndarray,
        bits: np.ndarray,
    ) -> None:
        box = grid.box(self.geometry)
        if box.shape != grid.scaled(self.geometry):
            gathered = stacks.gather(volume, index, self.offsets)
            stack[...] = geometry.fit(gathered, self.geometry, grid)
            bits[...] = geometry.fit_mask(masks[index], self.geometry, grid)
            return
        volume, mask = volume[:, *box.slices], masks[index][box.slices]
        if mask.shape == bits.shape:
            # Without fitting, slices need no array in between.
            stacks.gather(volume, index, self.offsets, out=stack)
            bits[...] = mask
        else:
            geometry.place(stacks.gather(volume, index, self.offsets), stack)
            geometry.place(mask, bits)
