"""Connected components of a mask (D, H, W), and holes in it; diagonals connect.

Everything works within the box of the mask, which is small beside the volume.
"""

from collections.abc import Callable

import numpy as np

from competition.core.regions import cropped_masks


def drop_small(mask: np.ndarray, size: int, *, flat: bool = False) -> np.ndarray:
    """Drop the components of fewer than `size` voxels; `flat`: those of each slice."""
    if size <= 1:
        return mask

    def keep(sizes: np.ndarray) -> np.ndarray:
        return np.asarray(sizes >= size)

    return _within_box(mask, lambda part: _select(part, keep, flat=flat))


def keep_largest(mask: np.ndarray, count: int) -> np.ndarray:
    """Keep the `count` largest 3D components; of equal ones the first."""

    def keep(sizes: np.ndarray) -> np.ndarray:
        kept = np.zeros(len(sizes), bool)
        kept[np.argsort(-sizes, kind="stable")[:count]] = True
        return kept

    return _within_box(mask, lambda part: _select(part, keep, flat=False))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what a mask encloses within a slice; a diagonal gap closes as well."""
    from scipy import ndimage

    def fill(part: np.ndarray) -> np.ndarray:
        cross = ndimage.generate_binary_structure(2, 1)
        return np.stack([ndimage.binary_fill_holes(each, cross) for each in part])

    return _within_box(mask, fill)


def _within_box(
    mask: np.ndarray, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Change a mask within its box, where anything is set."""
    inside = cropped_masks.bounding_box(mask)
    changed = np.zeros_like(mask)
    if inside[0].stop:
        changed[inside] = change(mask[inside])
    return changed


def _select(
    part: np.ndarray, keep: Callable[[np.ndarray], np.ndarray], *, flat: bool
) -> np.ndarray:
    """Keep the components that `keep` says of their sizes."""
    from scipy import ndimage

    connected = np.ones((3, 3, 3), bool)
    if flat:
        connected[[0, 2]] = False
    labels, _ = ndimage.label(part, structure=connected)
    # Most of a box is in no component, and is not looked at again.
    names = labels[part]
    kept = np.append(False, keep(np.bincount(names)[1:]))
    selected = part.copy()
    selected[part] = kept[names]
    return selected
