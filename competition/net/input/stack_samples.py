"""The sample of a 2.5D network: a slice among its neighbours."""

from typing import TYPE_CHECKING

import numpy as np

from competition.core import geometry, stacks
from competition.core.data import arrays, slices
from competition.core.experiment import configs

if TYPE_CHECKING:
    import pandas as pd


class StackSamples:
    """Cuts the stack about each row of the table, and the mask of its slice."""

    NAME = "slices"

    def __init__(
        self, table: "pd.DataFrame", store: arrays.Arrays, config: configs.Config
    ) -> None:
        self.scans = table["scan"].tolist()
        self.indices = table["index"].tolist()
        self.windows = slices.windows(table, config.intensity)
        self.store = store
        self.geometry = config.geometry
        self.offsets = config.slices
        frame = config.geometry.height, config.geometry.width
        self.shapes = (*frame, len(config.slices)), frame

    def size(self, rows: int) -> int:
        """How many samples show as much as so many rows: each row is one."""
        return rows

    def fill(
        self,
        row: int,
        stack: np.ndarray,
        bits: np.ndarray,
        *,
        moment: tuple[int, int, int],
    ) -> np.ndarray:
        """Write a row's sample into (h, w, K) and (h, w); return its window (2,).

        At every `moment` it is the same.
        """
        scan, index = self.scans[row], self.indices[row]
        volume = np.asarray(self.store.scan(scan))
        mask = np.asarray(self.store.masks(scan))[index]
        if mask.shape == bits.shape:
            # Nothing to fit: no array in between.
            stacks.gather(volume, index, self.offsets, out=stack)
            bits[...] = mask
            return self.windows[row]
        gathered = stacks.gather(volume, index, self.offsets)
        if self.geometry.fit == "pad":
            geometry.place(gathered, stack)
            geometry.place(mask, bits)
        else:
            stack[...] = geometry.fit(gathered, self.geometry)
            bits[...] = geometry.fit_mask(mask, self.geometry)
        return self.windows[row]
