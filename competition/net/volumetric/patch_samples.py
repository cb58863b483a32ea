"""The sample of a 3D network: a patch of a scan, and the masks of all its slices."""

import math

import numpy as np

from competition.core import geometry
from competition.core.experiment import configs
from competition.net.volumetric import patches


class PatchGatherer:
    """Gathers a patch around a slice, at a random place within height and width.

    If a scan has fewer slices than the patch, its last slice is repeated.
    """

    UNIT = "patches"

    def __init__(self, config: configs.Config) -> None:
        self.geometry, self.centred = config.geometry, config.sampling.centred
        depth, height, width = config.model.patch
        self.stack_shape = self.bits_shape = height, width, depth

    def count(self, rows: int) -> int:
        """Return the patches with the voxels of `rows` slices; at most one a row."""
        voxels = rows * self.geometry.height * self.geometry.width
        return max(1, min(rows, voxels // math.prod(self.stack_shape)))

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
    ) -> np.ndarray:
        """Fill `stack` and `bits` (h, w, D); return the slices (D,) of their windows.

        `volume` and `masks` are (D', H, W). The place of the patch is a function of
        `index` and `seed`.
        """
        height, width, depth = self.stack_shape
        first = patches.start_around(index, len(volume), depth)
        chosen = np.minimum(np.arange(first, first + depth), len(volume) - 1)
        y, x = patches.corner(
            lambda: self._organs(masks[chosen], grid),
            (height, width),
            self.geometry.frame,
            centred=self.centred,
            seed=seed,
        )
        box = np.s_[y : y + height, x : x + width]
        for number, each in enumerate(chosen):
            stack[..., number] = geometry.fit(volume[each], self.geometry, grid)[box]
            mask = geometry.fit_mask(masks[each], self.geometry, grid)
            bits[..., number] = mask[box]
        return chosen

    def _organs(self, masks: np.ndarray, grid: geometry.Grid) -> np.ndarray:
        """Return the bits (H, W) that any of the slices' masks has, fitted."""
        anywhere = np.bitwise_or.reduce(masks, axis=0)
        return geometry.fit_mask(anywhere, self.geometry, grid)
