"""The exact Hausdorff distance of two organs, measured at few voxels.

A voxel of one organ inside the other has distance 0. The nearest voxel to one outside
lies on the border of the other organ. So only voxels outside are measured, with a
KD-tree of that border. If there are many, cells of voxels are measured first: voxels of
a cell are about equally far away, so a cell that cannot hold the farthest voxel is
dropped whole.
"""

from typing import Any

import numpy as np

from competition.core.regions import cropped_masks
from competition.core.regions.cropped_masks import CroppedMask

Spacing = tuple[float, ...]
VOXELS = (1.0, 1.0, 1.0)
# The sides of the cells in voxels: large cells are dropped first.
_CELLS = (8, 4, 2)
# Up to this number of voxels, measuring all of them is faster than dropping cells.
FEW = 2000


def hausdorff(one: CroppedMask, other: CroppedMask, spacing: Spacing) -> float:
    """Return the symmetric Hausdorff distance of two organs of a volume, neither empty.

    Voxels are `spacing` apart along each axis.
    """
    # The larger organ reaches farther: its distance saves most of the second search.
    large, small = sorted((one, other), key=lambda organ: -organ.counts.sum())
    return _directed(small, large, spacing, _directed(large, small, spacing, 0.0))


def mean_surface(one: CroppedMask, other: CroppedMask, spacing: Spacing) -> float:
    """Return the mean distance of the surfaces of two organs, neither empty.

    A surface is made of the voxels with one of their six neighbours outside the organ
    or the volume. The distance of each voxel to the nearest one of the other surface is
    averaged over a surface, then over both surfaces.
    """
    from scipy.spatial import cKDTree

    surfaces = [cropped_masks.surface(organ) * spacing for organ in (one, other)]
    trees = [cKDTree(surface, balanced_tree=False) for surface in surfaces]
    means = [
        tree.query(surface, workers=-1)[0].mean()
        for tree, surface in zip(trees, reversed(surfaces), strict=True)
    ]
    return float(np.mean(means))


def _directed(
    source: CroppedMask, target: CroppedMask, spacing: Spacing, least: float
) -> float:
    """Return the largest distance of a voxel of `source` from `target`, or `least`."""
    low = np.minimum(source.low, target.low)
    high = np.maximum(source.high, target.high)
    inside = target.window(low, high)
    outside = source.window(low, high) & ~inside
    near = outside & cropped_masks.spread(inside)
    tree = target.tree(spacing)
    farthest = _farthest(outside & ~near, low, tree, spacing, least)
    # A neighbouring voxel is at most one spacing away, and seldom the farthest one.
    if farthest >= max(spacing):
        return farthest
    return _farthest(near, low, tree, spacing, farthest)


def _farthest(
    mask: np.ndarray, corner: np.ndarray, tree: Any, spacing: Spacing, least: float
) -> float:
    """Return the largest distance of a voxel of `mask` from a tree, or `least`.

    `mask` is boolean (d, h, w) and lies at `corner` of the volume.
    """

    def measure(places: np.ndarray) -> np.ndarray:
        return np.asarray(tree.query((places + corner) * spacing, workers=-1)[0])

    voxels = cropped_masks.coordinates(mask)
    for size in _CELLS if len(voxels) > FEW else ():
        cells = tuple((voxels // size).T)
        filled = np.zeros([-(-side // size) for side in mask.shape], bool)
        filled[cells] = True
        distances = np.zeros(filled.shape)
        centres = cropped_masks.coordinates(filled) * size + (size - 1) / 2
        distances[filled] = measure(centres)
        # No voxel of a cell is farther from its centre than its corner voxels are.
        reach = (size - 1) / 2 * np.linalg.norm(spacing)
        least = max(least, float(distances.max() - reach))
        voxels = voxels[distances[cells] + reach >= least]
    return max(least, float(measure(voxels).max(initial=0)))
