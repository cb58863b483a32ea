"""The Hausdorff distance of two organs: that of all voxels, found from few of them.

A voxel outside an organ is nearest to its border, so the tree holds the border alone.
Only voxels of one organ outside the other are away from it, and not all are asked: a
distance changes by no more than one moves, so cells that cannot hold the farthest
voxel are dropped, coarse to fine.
"""

import itertools

import numpy as np

from competition.core.regions import cropped_masks

VOXELS = (1.0, 1.0, 1.0)
# The cells that the search begins with; each level halves them.
_CELL = 8
# So few voxels are asked at once, so many by all processors.
_FEW = 2000
_MANY = 20_000
# What a search takes: voxels outside an organ, their corner, the organ, the spacing.
_Part = tuple[np.ndarray, np.ndarray, cropped_masks.CroppedMask, tuple[float, ...]]


def hausdorff(
    one: cropped_masks.CroppedMask,
    other: cropped_masks.CroppedMask,
    spacing: tuple[float, ...],
) -> float:
    """Symmetric Hausdorff distance of two organs of one volume, neither empty.

    Voxels are `spacing` apart along each axis.
    """
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    first, second = one.window(low, high), other.window(low, high)
    near: list[_Part] = []
    far: list[_Part] = []
    for source, target, organ in ((first, second, other), (second, first, one)):
        wider = cropped_masks.spread(target)
        for found, outside in (
            (near, source & wider & ~target),
            (far, source & ~wider),
        ):
            if outside.any():
                found.append((outside, low, organ, spacing))
    farthest = _search(far, 0.0)
    # A neighbour is at most one spacing away, which seldom is the farthest.
    return farthest if farthest >= max(spacing) else _search(near, farthest)


def _search(parts: list[_Part], least: float) -> float:
    searches = [_Search(*part) for part in parts]
    # The farther side first: what it finds spares most of the other.
    for search in sorted(searches, key=lambda search: search.bound, reverse=True):
        least = search.farthest(least)
    return least


class _Search:
    """The search for the voxel of `outside` (d, h, w) that is farthest from an organ.

    `corner` is where `outside` lies in the volume.
    """

    def __init__(
        self,
        outside: np.ndarray,
        corner: np.ndarray,
        organ: cropped_masks.CroppedMask,
        spacing: tuple[float, ...],
    ) -> None:
        self.corner, self.spacing = corner, spacing
        self.tree = organ.tree(spacing)
        few = np.count_nonzero(outside) <= _FEW
        self.levels = [outside] if few else _pyramid(outside)
        self.size = 2 ** (len(self.levels) - 1)
        self.cells = cropped_masks.places(self.levels[0])
        self.distances = self._ask()
        self.bound = self.distances.max() + self._reach

    @property
    def _reach(self) -> float:
        """How far the farthest voxel of a cell is from its centre."""
        return float((self.size - 1) / 2 * np.linalg.norm(self.spacing))

    def _ask(self) -> np.ndarray:
        """The distances of the centres of all cells."""
        centres = self.cells * self.size + (self.size - 1) / 2 + self.corner
        workers = -1 if len(centres) > _MANY else 1
        return self.tree.query(centres * self.spacing, workers=workers)[0]

    def farthest(self, least: float) -> float:
        """The largest distance, or `least` if that is more."""
        for finer in self.levels[1:]:
            least = max(least, float(self.distances.max()) - self._reach)
            cells = self.cells[self.distances + self._reach >= least]
            if not len(cells):
                return least
            self.cells = _children(cells, finer)
            self.size //= 2
            self.distances = self._ask()
        return max(least, float(self.distances.max()))


def _pyramid(mask: np.ndarray) -> list[np.ndarray]:
    """The mask in cells of 8, 4, 2 and 1: set where one of their voxels is."""
    padded = np.zeros([-(-size // _CELL) * _CELL for size in mask.shape], bool)
    padded[cropped_masks.box(np.zeros(3, int), np.array(mask.shape))] = mask
    levels = [padded]
    for _ in range(_CELL.bit_length() - 1):
        levels.insert(0, _halve(levels[0]))
    return levels


def _halve(mask: np.ndarray) -> np.ndarray:
    mask = mask[::2] | mask[1::2]
    mask = mask[:, ::2] | mask[:, 1::2]
    return mask[:, :, ::2] | mask[:, :, 1::2]


def _children(cells: np.ndarray, finer: np.ndarray) -> np.ndarray:
    """The set cells (n, 3) of the `finer` level within the given ones."""
    corners = np.array(list(itertools.product(range(2), repeat=3)))
    children = (cells[:, None] * 2 + corners).reshape(-1, 3)
    return children[finer[tuple(children.T)]]
