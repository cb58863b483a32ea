"""The sample of a 3D network: a patch of a scan, and the mask of its every slice."""

from typing import TYPE_CHECKING

import numpy as np

from competition.core import geometry
from competition.core.data import arrays, slices
from competition.core.experiment import configs
from competition.net.volumetric import patches

if TYPE_CHECKING:
    import pandas as pd


class PatchSamples:
    """Cuts a patch about each row of the table; its place in the slice is drawn.

    A scan of fewer slices than the patch has its last one repeated.
    """

    NAME = "patches"

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config
    ) -> None:
        self.scans = table["scan"].tolist()
        self.indices = table["index"].tolist()
        self.windows = {
            scan: slices.windows(rows.sort_values("index"), config.intensity)
            for scan, rows in table.groupby("scan", sort=False)
        }
        self.store = store
        self.geometry = config.geometry
        self.centred = config.sampling.centred
        self.depth, height, width = config.model.patch
        self.shapes = ((height, width, self.depth),) * 2

    def size(self, rows: int) -> int:
        """How many patches hold as many voxels as so many rows; at most one a row."""
        whole = self.geometry.height * self.geometry.width
        return max(1, min(rows, rows * whole // int(np.prod(self.shapes[0]))))

    def fill(
        self,
        row: int,
        stack: np.ndarray,
        bits: np.ndarray,
        *,
        moment: tuple[int, int, int],
    ) -> np.ndarray:
        """Write a row's sample into two (h, w, D); return its slices' windows (D, 2).

        Where it lies is a function of row and `moment` alone: seed, epoch, position.
        """
        scan = self.scans[row]
        windows = self.windows[scan]
        first = patches.about(self.indices[row], len(windows), self.depth)
        chosen = np.minimum(np.arange(first, first + self.depth), len(windows) - 1)
        masks = np.asarray(self.store.masks(scan))[chosen]
        # `draw` and `sampling` begin with the same numbers, and end there.
        random = np.random.default_rng((*moment, 1))
        y, x = self._place(masks, random)
        volume = np.asarray(self.store.scan(scan))
        for number, (index, mask) in enumerate(zip(chosen, masks, strict=True)):
            image = geometry.fit(volume[index], self.geometry)
            fitted = geometry.fit_mask(mask, self.geometry)
            box = np.s_[y : y + stack.shape[0], x : x + stack.shape[1]]
            stack[..., number] = image[box]
            bits[..., number] = fitted[box]
        return windows[chosen]

    def _place(self, masks: np.ndarray, random: np.random.Generator) -> tuple[int, int]:
        """Draw the first row and column: anywhere, or about a pixel of an organ."""
        frame = self.geometry.height, self.geometry.width
        sides = self.shapes[0][:2]
        centred, which, *even = random.random(4)
        if centred < self.centred:
            anywhere = np.bitwise_or.reduce(masks, axis=0)
            pixels = np.flatnonzero(geometry.fit_mask(anywhere, self.geometry))
            if len(pixels):
                pixel = divmod(int(pixels[int(which * len(pixels))]), frame[1])
                y, x = map(patches.about, pixel, frame, sides)
                return y, x
        y, x = (
            int(share * (size - side + 1))
            for share, size, side in zip(even, frame, sides, strict=True)
        )
        return y, x
