"""What happens to each sample of a batch, drawn on the host with NumPy.

A function of (seed, epoch, position) alone. The engines get numbers, never a random
state, so all of them do the same:

    warp    (B, P, P, 2)  where in the source each control point lies, (x, y) in pixels
    tone    (B, 2)        gain and gamma
    bias    (B, Q, Q)     logarithm of the gain at each control point
    blur    (B, 1)        standard deviation in pixels
    noise   (B, 3)        standard deviation, row and column where the tile begins
    holes   (B, N, 4)     top, bottom, left, right; empty boxes leave all as it is
    cutmix  (B, 5)        partner in the batch, then the box that is taken from it
    mixup   (B, 2)        partner in the batch and its weight

`affine` (B, 5), flip, scale, angle, shift x and y, and `elastic` (B, P, P, 2) are what
`warp` is made of, for the engine that goes these ways one by one.
"""

import functools

import numpy as np

from competition.core.experiment import schema

# Control points a side. Cubic B-splines of 7 have 4 pieces, so that a shift of 8 % of
# the side, which is the most that the config lets through, cannot fold the image.
POINTS = 7
BIAS_POINTS = 4
# tensorflow-addons takes the width of its filter as a constant: only so many exist.
BLURS = 4
TILE = 512
# These work between low and high, or carry values from one window into another.
INTENSITIES = frozenset({"tone", "bias", "blur", "noise", "cutmix"})
# What an engine's samples carry on into the graph or the training step. The masks that
# mixup makes cannot be packed into bits, so the step does it for all.
_STEP = {"warp", "tone", "bias", "blur", "noise", "holes", "cutmix", "mixup"}
LEFT = {"device": _STEP, "host": {"mixup"}, "addons": {"affine", "elastic", *_STEP}}
Drawn = dict[str, np.ndarray]
Shape = tuple[int, int]


def names(limits: schema.Augment) -> tuple[str, ...]:
    """What `batch` returns for these limits: only what may happen."""
    chances = {
        "affine": limits.flip + limits.affine,
        "elastic": limits.elastic,
        "warp": limits.flip + limits.affine + limits.elastic,
        "tone": limits.tone,
        "bias": limits.bias,
        "blur": limits.blur,
        "noise": limits.noise,
        "holes": limits.holes,
        "cutmix": limits.cutmix,
        "mixup": limits.mixup,
    }
    return tuple(name for name, chance in chances.items() if chance)


def batch(
    limits: schema.Augment,
    shape: Shape,
    *,
    seed: int,
    epoch: int,
    positions: range,
) -> Drawn:
    """Draw for the samples at these positions of an epoch, images being of `shape`."""
    sizes = {
        "affine": 6,
        "elastic": 1 + 2 * POINTS**2,
        "tone": 3,
        "bias": 1 + BIAS_POINTS**2,
        "blur": 2,
        "noise": 4,
        "cutmix": 6,
        "mixup": 3,
        "holes": 2 + 2 * limits.holes_count,
    }
    evens = np.stack(
        [
            np.random.default_rng((seed, epoch, each)).random(sum(sizes.values()))
            for each in positions
        ]
    )
    parts = np.split(evens, np.cumsum(list(sizes.values()))[:-1], axis=1)
    even = dict(zip(sizes, parts, strict=True))
    drawn = {
        "affine": _affine(even["affine"], limits, shape),
        "elastic": _elastic(even["elastic"], limits, shape),
        "tone": _tone(even["tone"], limits),
        "bias": _bias(even["bias"], limits),
        "blur": _blur(even["blur"], limits),
        "noise": _noise(even["noise"], limits),
        "holes": _holes(even["holes"], limits, shape),
        "cutmix": _cutmix(even["cutmix"], limits, shape),
        "mixup": _mixup(even["mixup"], limits),
    }
    drawn["warp"] = warp(drawn["affine"], drawn["elastic"], shape)
    return {name: drawn[name].astype(np.float32) for name in names(limits)}


def warp(affine: np.ndarray, elastic: np.ndarray, shape: Shape) -> np.ndarray:
    """Fuse the two into one (B, P, P, 2): source = inverse affine of (p + elastic).

    Cubic B-splines reproduce straight lines, so that moving the control points is
    exactly moving the pixels.
    """
    # Where control points must lie for the spline to be the identity.
    y, x = (np.linspace(-(n - 1) / 4, (n - 1) * 5 / 4, POINTS) for n in shape)
    points = np.stack(np.meshgrid(x, y), axis=-1) + elastic
    flip, scale, angle, *shift = affine.T[:, :, None, None]
    centre = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    x, y = (points[..., i] - centre[i] - shift[i] for i in range(2))
    sine, cosine = np.sin(angle), np.cos(angle)
    x, y = (cosine * x + sine * y) / scale, (cosine * y - sine * x) / scale
    return np.stack([x * (1 - 2 * flip) + centre[0], y + centre[1]], axis=-1)


@functools.lru_cache(maxsize=16)
def upsampling(size: int, points: int) -> np.ndarray:
    """The matrix (size, points) that draws a cubic B-spline through control points.

    Rows sum to 1: what is drawn never leaves the range of the points.
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
    matrix.flags.writeable = False
    return matrix


@functools.lru_cache(maxsize=1)
def tile() -> np.ndarray:
    """Standard normal noise (TILE, TILE), float32, always the same."""
    noise = np.random.default_rng(0).standard_normal((TILE, TILE), np.float32)
    noise.flags.writeable = False
    return noise


def tile_offsets(slices: int) -> np.ndarray:
    """How far each slice's noise lies from the first's in the tile (K, 2)."""
    return np.arange(slices)[:, None] * np.array([[101, 57]])


def _signed(even: np.ndarray, limit: float) -> np.ndarray:
    return (2 * even - 1) * limit


def _affine(even: np.ndarray, limits: schema.Augment, shape: Shape) -> np.ndarray:
    flip = even[:, 0] < limits.flip
    moved = even[:, 1] < limits.affine
    scale = 1 + moved * _signed(even[:, 2], limits.scale)
    angle = moved * np.deg2rad(_signed(even[:, 3], limits.rotate_degrees))
    x = moved * _signed(even[:, 4], limits.shift * shape[1])
    y = moved * _signed(even[:, 5], limits.shift * shape[0])
    return np.stack([flip, scale, angle, x, y], axis=-1)


def _elastic(even: np.ndarray, limits: schema.Augment, shape: Shape) -> np.ndarray:
    moved = even[:, 0, None, None, None] < limits.elastic
    grid = even[:, 1:].reshape(-1, POINTS, POINTS, 2)
    return moved * _signed(grid, limits.elastic_shift * min(shape))


def _tone(even: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = even[:, 0] < limits.tone
    gain = 1 + changed * _signed(even[:, 1], limits.gain)
    gamma = 1 + changed * _signed(even[:, 2], limits.gamma)
    return np.stack([gain, gamma], axis=-1)


def _bias(even: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = even[:, 0, None, None] < limits.bias
    grid = even[:, 1:].reshape(-1, BIAS_POINTS, BIAS_POINTS)
    return changed * _signed(grid, np.log1p(limits.bias_gain))


def _blur(even: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = even[:, :1] < limits.blur
    level = 1 + np.floor(even[:, 1:] * BLURS)
    return changed * level * limits.blur_pixels / BLURS


def _noise(even: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = even[:, 0] < limits.noise
    place = np.floor(even[:, 2:] * TILE)
    return np.column_stack([changed * even[:, 1] * limits.noise_sigma, place])


def hole_size(limits: schema.Augment, shape: Shape) -> tuple[int, int]:
    """Height and width of a hole in pixels, even numbers of at least 2."""
    height, width = (2 * max(1, round(limits.holes_size * n / 2)) for n in shape)
    return height, width


def _holes(even: np.ndarray, limits: schema.Augment, shape: Shape) -> np.ndarray:
    count = limits.holes_count
    made = (even[:, 0] < limits.holes) * (1 + np.floor(even[:, 1] * count))
    shown = np.arange(count) < made[:, None]
    boxes = []
    places = even[:, 2:].reshape(-1, 2, count)
    for axis, size in enumerate(hole_size(limits, shape)):
        centre = np.floor(places[:, axis] * shape[axis])
        boxes += [centre - size // 2, centre + size // 2]
    return shown[..., None] * np.stack(boxes, axis=-1)


def _cutmix(even: np.ndarray, limits: schema.Augment, shape: Shape) -> np.ndarray:
    changed = even[:, 0] < limits.cutmix
    box = []
    for axis in range(2):
        size = np.ceil(even[:, 2 + axis] * limits.cutmix_size * shape[axis])
        first = np.floor(even[:, 4 + axis] * (shape[axis] - size + 1))
        box += [changed * first, changed * (first + size)]
    return np.column_stack([_partner(even[:, 1]), *box])


def _mixup(even: np.ndarray, limits: schema.Augment) -> np.ndarray:
    changed = even[:, 0] < limits.mixup
    share = changed * even[:, 2] * limits.mixup_share
    return np.column_stack([_partner(even[:, 1]), share])


def _partner(even: np.ndarray) -> np.ndarray:
    """Another position of the batch; its own in a batch of one."""
    size = len(even)
    step = 1 + np.floor(even * (size - 1))
    return (np.arange(size) + step) % size
