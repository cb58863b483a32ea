"""Anatomical frames: turn volumes so that all have slices in the same direction.

Axes are permuted and flipped, never resampled, so that labels come back exactly. In an
oblique volume the slices follow the stored axis nearest to the anatomical one.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

# The directions in which slice, row and column grow: Left, Posterior, Superior,
# Inferior. Pictures are as radiologists show them: the patient's left is on the right,
# the head or the front is at the top.
TOWARDS = {"x": "LIP", "y": "PIL", "z": "SPL"}
_ANATOMY = {"L": (0, 1), "P": (1, 1), "S": (2, 1), "I": (2, -1)}


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """From a stored array (k, j, i) to slices (D, H, W): transposed, then flipped."""

    order: Sequence[int]
    flipped: Sequence[int]


def find(direction: Sequence[float], axis: str) -> Frame:
    """Return the frame that slices along anatomical `axis` "x", "y" or "z".

    `direction` is a row-major 3 x 3 matrix; column i is where stored index i grows
    to, in millimetres to the patient's left, back and head.
    """
    if axis not in TOWARDS:
        raise ValueError(
            "`axis` must be x (left to right), y (front to back) or z (feet to head). "
            f"Received: axis={axis!r}. Choose one of them."
        )
    matrix = np.reshape(direction, (3, 3))
    nearest = max(
        itertools.permutations(range(3)),
        key=lambda stored: sum(abs(matrix[range(3), stored])),
    )
    order, flipped = [], []
    for place, letter in enumerate(TOWARDS[axis]):
        anatomical, sign = _ANATOMY[letter]
        stored = nearest[anatomical]
        # Arrays count their axes from the last stored index to the first.
        order.append(2 - stored)
        if matrix[anatomical, stored] * sign < 0:
            flipped.append(place)
    return Frame(tuple(order), tuple(flipped))


def apply(array: np.ndarray, frame: Frame) -> np.ndarray:
    """Return a stored array (k, j, i) as slices (D, H, W); a view, to read or write."""
    return np.flip(array.transpose(frame.order), frame.flipped)


def spacing_mm(stored: Sequence[float], frame: Frame) -> tuple[float, ...]:
    """Return the (z, y, x) spacing of slices; `stored` is by index (i, j, k)."""
    return tuple(float(stored[2 - place]) for place in frame.order)
