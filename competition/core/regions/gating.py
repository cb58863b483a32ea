"""Which slices hold a class, by a gate on its probabilities and smoothed along z."""

import numpy as np

# A run of this many slices is needed to begin or to end the class.
_RUN = 3


def present(
    probability: np.ndarray, presence: np.ndarray, gate: tuple[int, float, float]
) -> np.ndarray:
    """Return for each slice (D,) whether it holds a class, by a gate (n, p, q).

    At least n pixels of the uint8 probabilities (D, H, W) must exceed p, and the uint8
    presence (D,) must be at least q. With n = 0 the presence alone decides.
    """
    pixels, above, least = gate
    passed: np.ndarray = presence >= least * 255
    if pixels:
        counts = [np.count_nonzero(slice > above * 255) for slice in probability]
        passed = passed & (np.array(counts) >= pixels)
    return passed


def smooth(present: np.ndarray) -> np.ndarray:
    """Smooth presence (D,) along z: a lone value flips, then a change needs 3 slices.

    Before the first slice the class counts as absent. Smoothing twice changes nothing.
    A scan of fewer slices, such as a single image, stays as it is.
    """
    if len(present) < _RUN:
        return present.copy()
    flipped = present.copy()
    flipped[1:-1] ^= (present[:-2] == present[2:]) & (present[1:-1] != present[2:])
    state = False
    smoothed = np.zeros_like(present)
    for index in range(len(present)):
        ahead = flipped[index : index + _RUN]
        if len(ahead) == _RUN and (ahead != state).all():
            state = not state
        smoothed[index] = state
    return smoothed
