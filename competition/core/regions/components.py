"""Connected components of a mask (D, H, W), and its holes; diagonals connect.

Each function works within the box of the mask, which is small beside the volume.
"""

from collections.abc import Callable

import numpy as np

from competition.core.regions import cropped_masks

Change = Callable[[np.ndarray], np.ndarray]


def drop_small(mask: np.ndarray, size: int, *, flat: bool = False) -> np.ndarray:
    """Drop 3D components of fewer than `size` voxels; `flat`: components of slices."""
    return _within_box(mask, lambda part: _select(part, lambda n: n >= size, flat=flat))


def keep_largest(mask: np.ndarray, count: int) -> np.ndarray:
    """Keep the `count` largest 3D components; of equal ones the first are kept."""

    def keep(sizes: np.ndarray) -> np.ndarray:
        largest = np.argsort(-sizes, kind="stable")[:count]
        return np.isin(np.arange(len(sizes)), largest)

    return _within_box(mask, lambda part: _select(part, keep))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the holes of each slice; a diagonal gap does not open a hole."""
    from scipy import ndimage

    # The structure is flat, so slices do not connect.
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False
    return _within_box(mask, lambda part: ndimage.binary_fill_holes(part, cross))


def _within_box(mask: np.ndarray, change: Change) -> np.ndarray:
    """Change a mask within its box; an empty mask stays as it is."""
    box = cropped_masks.bounding_box(mask)
    changed = np.zeros_like(mask)
    if box[0].stop:
        changed[box] = change(mask[box])
    return changed


def _select(part: np.ndarray, keep: Change, *, flat: bool = False) -> np.ndarray:
    """Keep the components for whose sizes `keep` returns True."""
    from scipy import ndimage

    connected = np.ones((3, 3, 3), bool)
    if flat:
        connected[[0, 2]] = False
    labels, _ = ndimage.label(part, structure=connected)
    # Most voxels of a box are in no component, so only the others are looked up.
    of_voxels = labels[part]
    kept = np.append(False, keep(np.bincount(of_voxels)[1:]))
    selected = part.copy()
    selected[part] = kept[of_voxels]
    return selected
