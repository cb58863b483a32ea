"""In which slices a class is: from its probabilities, and smoothed along z."""

import numpy as np

# So many equal slices begin or end a run.
RUN = 3


def gate(
    probability: np.ndarray, presence: np.ndarray, gate: tuple[int, float, float]
) -> np.ndarray:
    """Say which slices (D,) hold a class, of uint8 (D, H, W) and presence (D,).

    For a gate (n, p, q): those where at least n pixels exceed p and the presence is
    at least q. With n = 0 the presence alone decides.
    """
    pixels, above, least = gate
    present = presence >= least * 255
    if pixels:
        counts = [np.count_nonzero(slice > above * 255) for slice in probability]
        present = present & (np.array(counts) >= pixels)
    return np.asarray(present)


def smooth(present: np.ndarray) -> np.ndarray:
    """Smooth presence (D,) along z: a lone value flips, runs of 3 begin and end.

    What comes before the first slice is absent. Twice is the same as once.
    """
    settled = present.copy()
    lone = (present[:-2] == present[2:]) & (present[1:-1] != present[2:])
    settled[1:-1] ^= lone
    state = False
    smoothed = np.zeros_like(present)
    for index in range(len(present)):
        ahead = settled[index : index + RUN]
        if len(ahead) == RUN and (ahead != state).all():
            state = not state
        smoothed[index] = state
    return smoothed
