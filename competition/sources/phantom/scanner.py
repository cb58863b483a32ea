"""The scanner of the phantom: its slices with grey values, bias field and noise."""

import math
from collections.abc import Iterator

import numpy as np

from competition.sources.phantom import anatomy

# The brightest pixel of the real data set.
_GREATEST = 14_688
_WAVES = 20


def slices(
    body: anatomy.Body,
    grid: anatomy.Grid,
    organs: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield the slices uint16 (H, W) of a scan.

    `organs` are the `distances` (C, D, H, W) and the `masks` (D, H, W, C) of the body.
    """
    import cv2

    z, y, x = grid.axes_mm()
    waves = [_waves(rng, mm) for mm in (60.0, 20.0, 10.0)]
    gain = _bias(rng, y, x) * math.exp(rng.uniform(math.log(500), math.log(9_000)))
    noise = rng.uniform(0.015, 0.03)
    for index in range(grid.depth):
        marble, mottle, ripple = (_field(each, (z[index], y, x)) for each in waves)
        grey = _background(body, (z[index], y, x), marble)
        distance, inside = organs[0][:, index], organs[1][index]
        lumens = _lumens(distance, inside[..., 2], mottle, ripple)
        for c, lumen in enumerate(lumens):
            # In class order: if organs overlap, the last one is visible.
            grey[inside[..., c]] = lumen[inside[..., c]]
        grey = cv2.GaussianBlur(grey, (0, 0), 1.2 / grid.spacing_mm)
        grey += noise * rng.standard_normal(grey.shape, np.float32)
        yield np.clip(np.abs(grey) * gain, 0, _GREATEST).astype(np.uint16)


def _waves(rng: np.random.Generator, length_mm: float) -> np.ndarray:
    """Draw plane waves (N, 4): wave numbers along z, y, x, and phase."""
    direction = rng.standard_normal((_WAVES, 3)) * [0.5, 1, 1]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    lengths = length_mm * rng.uniform(0.8, 1.25, (_WAVES, 1))
    phase = rng.uniform(0, 2 * math.pi, (_WAVES, 1))
    return np.hstack([2 * math.pi / lengths * direction, phase])


def _field(
    waves: np.ndarray, place: tuple[float, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Sum up waves on a slice (H, W); the sum has about unit variance."""
    z, y, x = place
    in_z, in_y, in_x, phase = waves.T
    rows = np.outer(y, in_y) + in_z * z + phase
    columns = np.outer(in_x, x)
    # cos(a + b) apart, so that the sum over waves is a matrix product.
    field = np.cos(rows) @ np.cos(columns) - np.sin(rows) @ np.sin(columns)
    return (field * math.sqrt(2 / _WAVES)).astype(np.float32)


def _bias(rng: np.random.Generator, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Draw the smooth sensitivity (H, W) of a coil, around 1."""
    v, u = y[:, None] / 200, x / 200
    a, b, c, d = rng.uniform(-0.25, 0.25, 4)
    return np.exp(a * v + b * u + c * u * v + d * (u**2 + v**2)).astype(np.float32)


def _background(
    body: anatomy.Body, place: tuple[float, np.ndarray, np.ndarray], marble: np.ndarray
) -> np.ndarray:
    """Return air, skin fat, muscle, inner fat and the blobs of a slice (H, W)."""
    z, y, x = place
    radius = np.hypot(y[:, None] / body.axes[1], x / body.axes[0])
    grey = np.full(radius.shape, 0.02, np.float32)
    grey[radius < 1] = 0.8
    grey[radius < 0.91] = 0.28
    grey[radius < 0.84] = 0.45
    grey += 0.05 * marble * (radius < 1)
    for x0, y0, z0, half_x, half_y, half_z, rim_grey, core_grey in body.blobs:
        away_y = (y - y0)[:, None] / half_y
        away = np.sqrt(((z - z0) / half_z) ** 2 + away_y**2 + ((x - x0) / half_x) ** 2)
        away[radius > 0.87] = 2
        grey[away < 1] = rim_grey
        core = away < 0.75
        grey[core] = core_grey + 0.03 * marble[core]
    return grey


def _lumens(
    distance: np.ndarray, stomach: np.ndarray, mottle: np.ndarray, ripple: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the grey values (H, W) of large bowel, small bowel and stomach."""
    # Coarse clumps in a bright wall.
    clumps = 0.42 + 0.34 * np.tanh(2.5 * mottle)
    yield np.where(distance[0] > 0.84, np.float32(0.95), clumps)
    # A bright thread in dark fluid in a middling, feathery wall.
    yield 0.08 * ripple + np.select(
        [distance[1] > 0.72, distance[1] > 0.36], [0.85, 0.12], 0.75
    )
    # Gas over fluid over food, in a dark wall.
    rows = np.flatnonzero(stomach.any(axis=1))
    first, last = rows[[0, -1]] if rows.size else (0, 0)
    depth = (np.arange(len(stomach)) - first) / (last - first + 1)
    layers = np.select([depth < 0.36, depth < 0.7], [0.1, 0.9], 0.55)
    yield np.where(distance[2] > 0.86, 0.2, layers[:, None])
