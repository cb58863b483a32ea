"""Decide which slices hold a class: by a gate on its probabilities, and along z."""

import numpy as np

# This many slices in a row are needed to begin or to end the class.
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

    Before the first slice the class counts as absent. Smoothing again changes nothing.
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


def one_stretch(present: np.ndarray, apart: int) -> np.ndarray:
    """Keep the longest stretch of slices (D,), and the stretches that are linked to it.

    Gaps of at most `apart` slices link stretches; these gaps become present. Of equally
    long stretches the first counts.
    """
    # The first slice of each stretch, and the slice after its last.
    edges = np.flatnonzero(np.diff(present.astype(int), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    chosen = np.zeros_like(present)
    if len(starts):
        groups = np.cumsum(np.append(0, starts[1:] - ends[:-1] > apart))
        own = groups == groups[np.argmax(ends - starts)]
        chosen[starts[own].min() : ends[own].max()] = True
    return chosen
