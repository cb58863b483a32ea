"""The changes to each sample of a batch, drawn on the host with NumPy.

The changes are a function of the sample's seed alone: (config's seed, epoch, position).
The engines get numbers, never a random state, so that all apply the same changes:

    warp    (B, P, P, 2)  where in the source each control point lies, (x, y) in pixels
    tone    (B, 2)        gain and gamma
    bias    (B, Q, Q)     logarithm of the gain at each control point
    blur    (B, 1)        standard deviation in pixels
    noise   (B, 3)        standard deviation, row and column where the tile begins
    holes   (B, N, 4)     top, bottom, left, right; an empty box changes nothing
    cutmix  (B, 5)        partner in the batch, then the box that is taken from it
    mixup   (B, 2)        partner in the batch and its weight

`warp` is made of `affine` (B, 5): flip, scale, angle, shift x and y, and of `elastic`
(B, P, P, 2). Engine "addons" applies these two one after the other.
"""

import functools
from collections.abc import Sequence

import numpy as np

from competition.core.experiment import schema

# Control points a side. Cubic B-splines of 7 have 4 pieces, so that a shift of 8 % of
# the side, the most that the config allows, cannot fold the image.
WARP_POINTS = 7
BIAS_POINTS = 4
# tensorflow-addons takes the width of its filter as a constant, so blur has few levels.
BLUR_LEVELS = 4
NOISE_TILE = 512
# These work between low and high, or carry values from one window into another.
INTENSITIES = frozenset({"tone", "bias", "blur", "noise", "cutmix"})
# The changes that the batches of an engine carry to the graph or the training step. The
# masks that mixup makes cannot be packed into bits, so the step does it for all.
_ALL = frozenset({"warp", "tone", "bias", "blur", "noise", "holes", "cutmix", "mixup"})
CARRIED = {
    "host": frozenset({"mixup"}),
    "device": _ALL,
    "addons": _ALL | {"affine", "elastic"},
}
Changes = dict[str, np.ndarray]
Frame = tuple[int, int]
Seed = tuple[int, int, int]


def draw(limits: schema.Augment, frame: Frame, seeds: Sequence[Seed]) -> Changes:
    """Draw the changes to a batch of the samples of these seeds, as float32.

    `frame` is the height and width of their images. Changes that cannot happen are left
    out.
    """
    # A generator for each sample, so that a batch does not depend on those before it.
    generators = [np.random.default_rng(seed) for seed in seeds]

    def uniform(*shape: int) -> np.ndarray:
        return np.stack([generator.random(shape) for generator in generators])

    # Each generator must give its numbers in this order, or no run repeats.
    changes = {
        "affine": _affine(uniform(6), limits, frame),
        "elastic": _elastic(uniform(1 + 2 * WARP_POINTS**2), limits, frame),
        "tone": _tone(uniform(3), limits),
        "bias": _bias(uniform(1 + BIAS_POINTS**2), limits),
        "blur": _blur(uniform(2), limits),
        "noise": _noise(uniform(4), limits),
        "cutmix": _cutmix(uniform(6), limits, frame),
        "mixup": _mixup(uniform(3), limits),
        "holes": _holes(uniform(2 + 2 * limits.holes_count), limits, frame),
    }
    changes["warp"] = warp(changes["affine"], changes["elastic"], frame)
    moves = limits.flip + limits.affine
    chances = limits.model_dump() | {"affine": moves, "warp": moves + limits.elastic}
    return {k: v.astype(np.float32) for k, v in changes.items() if chances[k]}


def warp(affine: np.ndarray, elastic: np.ndarray, frame: Frame) -> np.ndarray:
    """Fuse the two into one (B, P, P, 2): source = inverse affine of (p + elastic).

    Cubic B-splines reproduce straight lines, so that moving the control points is
    exactly moving the pixels.
    """
    # With the control points at these places the spline is the identity.
    y, x = (np.linspace(-(n - 1) / 4, (n - 1) * 5 / 4, WARP_POINTS) for n in frame)
    points = np.stack(np.meshgrid(x, y), axis=-1) + elastic
    flip, scale, angle, *shift = affine.T[:, :, None, None]
    centre = (frame[1] - 1) / 2, (frame[0] - 1) / 2
    x, y = (points[..., i] - centre[i] - shift[i] for i in range(2))
    sine, cosine = np.sin(angle), np.cos(angle)
    x, y = (cosine * x + sine * y) / scale, (cosine * y - sine * x) / scale
    return np.stack([x * (1 - 2 * flip) + centre[0], y + centre[1]], axis=-1)


@functools.lru_cache(maxsize=16)
def spline_matrix(size: int, points: int) -> np.ndarray:
    """Return the matrix (size, points) that draws a cubic B-spline by control points.

    Rows sum to 1, so a curve never leaves the range of its points.
    """
    place = np.linspace(0, points - 3, size)
    first = np.minimum(place.astype(int), points - 4)
    u = place - first
    cubic = [
        (1 - u) ** 3,
        3 * u**3 - 6 * u**2 + 4,
        -3 * u**3 + 3 * u**2 + 3 * u + 1,
        u**3,
    ]
    matrix = np.zeros((size, points), np.float32)
    for number, weight in enumerate(cubic):
        matrix[np.arange(size), first + number] = weight / 6
    # Shared by all callers.
    matrix.flags.writeable = False
    return matrix


@functools.lru_cache(maxsize=1)
def noise_tile() -> np.ndarray:
    """Return the same standard normal noise (NOISE_TILE, NOISE_TILE) at every call."""
    noise = np.random.default_rng(0).standard_normal((NOISE_TILE,) * 2, np.float32)
    noise.flags.writeable = False
    return noise


def tile_offsets(slices: int) -> np.ndarray:
    """Return how far each slice's noise lies from the first's in the tile (K, 2)."""
    return np.arange(slices)[:, None] * np.array([[101, 57]])


def noise_places(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (H, 1, K) and columns (W, K) of a stack's noise in the tile."""
    height, width, slices = shape
    down, across = tile_offsets(slices).T
    y, x = np.arange(height)[:, None, None] + down, np.arange(width)[:, None] + across
    return y.astype(np.int32), x.astype(np.int32)


def hole_size(limits: schema.Augment, frame: Frame) -> tuple[int, int]:
    """Return the height and width of a hole in pixels, even numbers of at least 2."""
    height, width = (2 * max(1, round(limits.holes_size * n / 2)) for n in frame)
    return height, width


def _signed(uniform: np.ndarray, limit: float) -> np.ndarray:
    """Spread numbers of 0..1 over -limit..limit."""
    return (2 * uniform - 1) * limit


def _affine(random: np.ndarray, limits: schema.Augment, frame: Frame) -> np.ndarray:
    flip = random[:, 0] < limits.flip
    moved = random[:, 1] < limits.affine
    scale = 1 + moved * _signed(random[:, 2], limits.scale)
    angle = moved * np.deg2rad(_signed(random[:, 3], limits.rotate_degrees))
    x = moved * _signed(random[:, 4], limits.shift * frame[1])
    y = moved * _signed(random[:, 5], limits.shift * frame[0])
    return np.stack([flip, scale, angle, x, y], axis=-1)


def _elastic(random: np.ndarray, limits: schema.Augment, frame: Frame) -> np.ndarray:
    moved = random[:, 0, None, None, None] < limits.elastic
    grid = random[:, 1:].reshape(-1, WARP_POINTS, WARP_POINTS, 2)
    return moved * _signed(grid, limits.elastic_shift * min(frame))


def _tone(random: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = random[:, 0] < limits.tone
    gain = 1 + changed * _signed(random[:, 1], limits.gain)
    gamma = 1 + changed * _signed(random[:, 2], limits.gamma)
    return np.stack([gain, gamma], axis=-1)


def _bias(random: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = random[:, 0, None, None] < limits.bias
    grid = random[:, 1:].reshape(-1, BIAS_POINTS, BIAS_POINTS)
    return changed * _signed(grid, np.log1p(limits.bias_gain))


def _blur(random: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = random[:, :1] < limits.blur
    level = 1 + np.floor(random[:, 1:] * BLUR_LEVELS)
    return changed * level * limits.blur_pixels / BLUR_LEVELS


def _noise(random: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = random[:, 0] < limits.noise
    corner = np.floor(random[:, 2:] * NOISE_TILE)
    return np.column_stack([changed * random[:, 1] * limits.noise_sigma, corner])


def _holes(random: np.ndarray, limits: schema.Augment, frame: Frame) -> np.ndarray:
    most = limits.holes_count
    count = (random[:, 0] < limits.holes) * (1 + np.floor(random[:, 1] * most))
    shown = np.arange(most) < count[:, None]
    boxes = []
    centres = random[:, 2:].reshape(-1, 2, most)
    for axis, size in enumerate(hole_size(limits, frame)):
        centre = np.floor(centres[:, axis] * frame[axis])
        boxes += [centre - size // 2, centre + size // 2]
    return shown[..., None] * np.stack(boxes, axis=-1)


def _cutmix(random: np.ndarray, limits: schema.Augment, frame: Frame) -> np.ndarray:
    changed = random[:, 0] < limits.cutmix
    box = []
    for axis in range(2):
        size = np.ceil(random[:, 2 + axis] * limits.cutmix_size * frame[axis])
        first = np.floor(random[:, 4 + axis] * (frame[axis] - size + 1))
        box += [changed * first, changed * (first + size)]
    return np.column_stack([_partner(random[:, 1]), *box])


def _mixup(random: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = random[:, 0] < limits.mixup
    share = changed * random[:, 2] * limits.mixup_share
    return np.column_stack([_partner(random[:, 1]), share])


def _partner(random: np.ndarray) -> np.ndarray:
    """Return another position of the batch (B,); its own in a batch of one."""
    size = len(random)
    step = 1 + np.floor(random * (size - 1))
    return (np.arange(size) + step) % size
