"""Turn scans, tables and predictions so that slices lie across another axis.

Prepared scans are (D, H, W), with the axes z, y and x: slices lie across z. A network
with another `axis` sees slices of turned scans, and its predictions are turned back.
"""

from typing import TYPE_CHECKING

import numpy as np

from competition.core import geometry
from competition.core.data import arrays

if TYPE_CHECKING:
    import pandas as pd

# The order of axes in a turned scan: the axis of its slices comes first.
_ORDERS = {"z": (0, 1, 2), "y": (1, 0, 2), "x": (2, 0, 1)}


def turn(array: np.ndarray, axis: str) -> np.ndarray:
    """Return a view of a scan or its masks (D, H, W) whose slices lie across `axis`."""
    return array.transpose(_ORDERS[axis])


def turn_back(array: np.ndarray, axis: str) -> np.ndarray:
    """Undo `turn` for the prediction (N, h, w, ...) of a turned scan."""
    order = [*np.argsort(_ORDERS[axis]), *range(3, array.ndim)]
    return np.ascontiguousarray(array.transpose(order))


def scan(
    volume: np.ndarray, windows: np.ndarray, grid: geometry.Grid, axis: str
) -> tuple[np.ndarray, np.ndarray, geometry.Grid]:
    """Return a scan (D, H, W), its windows (D, 2) and its grid, turned to `axis`.

    All turned slices get the window of the first slice, which is the scan's window. The
    size of their pixels is left out: no geometry allowed with this axis needs it.
    """
    if axis == "z":
        return volume, windows, grid
    turned = turn(volume, axis)
    windows = np.repeat(windows[:1], len(turned), axis=0)
    return turned, windows, turned_grid(grid, len(volume), axis)


def turned_grid(grid: geometry.Grid, slices: int, axis: str) -> geometry.Grid:
    """Return the grid of a scan with this number of slices, turned to `axis`."""
    if axis == "z":
        return grid
    shape = (slices, *grid.shape)
    _, row, column = _ORDERS[axis]
    return geometry.Grid((shape[row], shape[column]))


def turned(
    table: "pd.DataFrame", store: arrays.Arrays, axis: str
) -> tuple["pd.DataFrame", arrays.Arrays]:
    """Return the slice table of the turned scans of `table`, and their turned arrays.

    All slices of a turned scan get the scan's window, and no box around the body.
    """
    if axis == "z":
        return table, store
    turned = TurnedArrays(store, axis)
    return _table(table, turned, axis), turned


class TurnedArrays(arrays.Arrays):
    """The scans and masks of other arrays, turned so that slices lie across `axis`."""

    def __init__(self, store: arrays.Arrays, axis: str) -> None:
        self._store, self._axis = store, axis

    def scan(self, name: str) -> np.ndarray:
        """Return the turned slices of a scan."""
        return turn(self._store.scan(name), self._axis)

    def masks(self, name: str) -> np.ndarray:
        """Return the turned mask bits of a scan."""
        return turn(self._store.masks(name), self._axis)


def _table(table: "pd.DataFrame", store: arrays.Arrays, axis: str) -> "pd.DataFrame":
    scans = table.drop_duplicates("scan").reset_index(drop=True)
    counts, heights, widths = zip(
        *(store.scan(scan).shape for scan in scans["scan"]), strict=True
    )
    scans["height"], scans["width"] = heights, widths
    scans["box_top"] = scans["box_left"] = 0
    scans["box_bottom"], scans["box_right"] = heights, widths
    across = {"y": "spacing_x_mm", "x": "spacing_y_mm"}[axis]
    scans["spacing_x_mm"], scans["spacing_y_mm"] = scans[across], scans["spacing_z_mm"]
    slices = scans.iloc[np.repeat(np.arange(len(scans)), counts)]
    slices = slices.reset_index(drop=True)
    slices["index"] = slices.groupby("scan", sort=False).cumcount()
    slices["slice"] = slices["index"] + 1
    slices["id"] = slices["scan"] + f"_{axis}_" + slices["slice"].map("{:04}".format)
    return slices
