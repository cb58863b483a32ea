"""The phantom's abdomen: where its organs lie.

Position, orientation and grey value of an organ say little. Wall and texture tell the
organs apart: large bowel mottled in a bright wall, small bowel ringed like a target,
stomach layered under a dark wall.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

CLASSES = ("large_bowel", "small_bowel", "stomach")

# The scanned stretch of the body, whatever the number of slices.
_LENGTH_MM = 160.0
_SMALLEST_AREA_MM2 = 500.0
_SLIVER_MM = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """The voxels of a scan; the body's origin lies in the middle of each slice."""

    depth: int
    height: int
    width: int
    spacing_mm: float

    def axes_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the voxels' z (D,), y (H,) and x (W,) in mm."""
        z = (np.arange(self.depth) + 0.5) * (_LENGTH_MM / self.depth)
        y = (np.arange(self.height) - (self.height - 1) / 2) * self.spacing_mm
        x = (np.arange(self.width) - (self.width - 1) / 2) * self.spacing_mm
        return z.astype(np.float32), y.astype(np.float32), x.astype(np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Body:
    """One body, in mm: half-axes (x, y), organs, and ellipsoids that look like them.

    `tubes` holds per class points (N, 4) of x, y, z and radius, `ranges` the first and
    last z of its annotation, `blobs` rows (M, 8) of centre, half-axes, rim and core.
    """

    axes: tuple[float, float]
    tubes: tuple[np.ndarray, ...]
    ranges: tuple[tuple[float, float], ...]
    blobs: np.ndarray


def draw_body(rng: np.random.Generator, field_mm: float, turn: float) -> Body:
    """Draw the anatomy of a case: its organs anywhere around the middle.

    The body fills a field of view whose shorter side is `field_mm`. `turn` is the angle
    of the stomach around the middle, in radians.
    """
    axes = field_mm * rng.uniform(0.38, 0.44), field_mm * rng.uniform(0.28, 0.32)
    size = field_mm / 400 * rng.uniform(0.95, 1.18)
    side = rng.choice([-1.0, 1.0])
    tubes = (
        _large_bowel(rng, turn, side) * [*axes, 1, size],
        _small_bowel(rng, turn + math.pi) * [*axes, 1, size],
        _stomach(rng, turn, side) * [*axes, 1, size],
    )
    top, low = rng.uniform(0.17, 0.23), rng.uniform(0.82, 0.88)
    middle = rng.uniform(0.6, 0.66)
    ranges = ((top, low), (rng.uniform(0.28, 0.34), low - 0.03), (top, middle))
    in_mm = tuple((a * _LENGTH_MM, b * _LENGTH_MM) for a, b in ranges)
    return Body(axes, tubes, in_mm, _blobs(rng, axes))


def _polar(angle: float, reach: float) -> tuple[float, float]:
    # The spine takes the back (positive y), so organs lie a little to the front.
    return reach * math.cos(angle), reach * math.sin(angle) - 0.06


def _large_bowel(rng: np.random.Generator, turn: float, side: float) -> np.ndarray:
    """Draw it up one flank, across below the top, and down the other flank."""
    spread = rng.uniform(1.35, 1.8)
    angles = turn + side * np.array([spread, math.pi, 2 * math.pi - spread])
    reach = rng.uniform(0.55, 0.62, 3)
    first, across, last = (_polar(a, r) for a, r in zip(angles, reach, strict=True))
    height = rng.uniform(0.26, 0.34) * _LENGTH_MM
    points = [
        (*first, 1.05 * _LENGTH_MM, 25),
        (*first, 0.7 * _LENGTH_MM, 27),
        (*first, height, 26),
        (*across, height - 6, 25),
        (*last, height, 25),
        (*last, 0.7 * _LENGTH_MM, 26),
        (*last, 1.05 * _LENGTH_MM, 24),
    ]
    curve = _smooth(points)
    lobes = 1 + 0.07 * np.sin(np.arange(len(curve)) * (2 * math.pi / 14))
    return np.column_stack([curve[:, :3], curve[:, 3] * lobes])


def _small_bowel(rng: np.random.Generator, turn: float) -> np.ndarray:
    """Draw loops to and fro around the middle of their half, each a little lower."""
    centre = np.array(_polar(turn + rng.uniform(-0.4, 0.4), rng.uniform(0.18, 0.34)))
    tilt = rng.uniform(0, math.pi)
    axis = np.array([math.cos(tilt), math.sin(tilt)])
    across = np.array([-axis[1], axis[0]])
    loops = 10
    points = []
    for k in range(2 * loops):
        z = (0.2 + 0.75 * k / (2 * loops - 1)) * _LENGTH_MM
        way = 0.27 * (1 if k % 4 in (1, 2) else -1) * rng.uniform(0.75, 1.1)
        step = 0.15 * (1 if (k // 2) % 2 else -1) * rng.uniform(0.8, 1.2)
        points.append((*(centre + way * axis + step * across), z, 17))
    return _smooth(points)


def _stomach(rng: np.random.Generator, turn: float, side: float) -> np.ndarray:
    """Draw a wide sac that bends and narrows on its way down."""
    start = turn + rng.uniform(-0.25, 0.25)
    bend = side * rng.uniform(0.35, 0.6)
    points = [
        (*_polar(start, 0.5), 0.05 * _LENGTH_MM, 30),
        (*_polar(start, 0.52), 0.25 * _LENGTH_MM, 33),
        (*_polar(start + bend / 2, 0.48), 0.42 * _LENGTH_MM, 31),
        (*_polar(start + bend, 0.36), 0.58 * _LENGTH_MM, 27),
        (*_polar(start + 1.6 * bend, 0.26), 0.68 * _LENGTH_MM, 24),
    ]
    return _smooth(points)


def _smooth(points: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Cut the corners of a polygon (N, 4) until it is a curve."""
    curve = np.array(points, dtype=float)
    for _ in range(4):
        quarter = 0.75 * curve[:-1] + 0.25 * curve[1:]
        three = 0.25 * curve[:-1] + 0.75 * curve[1:]
        inner = np.stack([quarter, three], axis=1).reshape(-1, 4)
        curve = np.concatenate([curve[:1], inner, curve[-1:]])
    return curve


def _blobs(rng: np.random.Generator, axes: tuple[float, float]) -> np.ndarray:
    """Draw liver, spleen, kidneys, spine, vessels, bladder: smooth, and grey alike."""
    side = rng.choice([-1.0, 1.0])
    liver_grey, spleen_grey, kidney_grey = rng.uniform(0.3, 0.7, 3)
    rows = [
        (side * 0.42, -0.1, 0.15, 70, 66, 66, liver_grey, liver_grey),
        (-side * 0.6, 0.15, 0.2, 30, 40, 40, spleen_grey, spleen_grey),
        (side * 0.4, 0.4, 0.5, 22, 28, 50, 0.85, kidney_grey),
        (-side * 0.4, 0.4, 0.45, 22, 28, 50, 0.85, kidney_grey),
        (0.0, 0.52, 0.5, 24, 21, 400, 0.25, 0.6),
        (0.0, 0.85, 0.5, 10, 14, 400, 0.3, 0.45),
        (0.17, 0.5, 0.5, 14, 20, 400, 0.3, 0.32),
        (-0.17, 0.5, 0.5, 14, 20, 400, 0.3, 0.32),
        (side * 0.05, 0.22, 0.5, 9, 9, 400, 0.9, 0.9),
        (-side * 0.1, 0.24, 0.5, 8, 8, 400, 0.15, 0.15),
        (0.0, -0.1, 1.0, 34, 26, 26, 0.85, 0.88),
    ]
    blobs = np.array(rows)
    blobs[:, 3:5] *= axes[0] / 152
    blobs[:, :2] = (blobs[:, :2] + rng.normal(0, 0.03, (len(rows), 2))) * axes
    blobs[:, 2] *= _LENGTH_MM
    blobs[:, 3:6] *= rng.uniform(0.85, 1.15, (len(rows), 3))
    return blobs


def another_day(body: Body, rng: np.random.Generator) -> Body:
    """Bend, turn, scale and shift a body as it lies on another day."""
    angle, scale = rng.normal(0, 0.1), rng.uniform(0.95, 1.05)
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    shift = rng.uniform(-14, 14, 2)
    waves = rng.uniform(-0.02, 0.02, (2, 3)), rng.uniform(0, 2 * math.pi, 2)

    def moved(rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        bend = 5 * np.sin(rows[:, :3] @ waves[0].T + waves[1])
        rows[:, :2] = (rows[:, :2] + bend) @ turn.T + shift
        return rows

    tubes = []
    for tube in body.tubes:
        tube = moved(tube)
        tube[:, 3] *= scale * rng.uniform(0.93, 1.07)
        tubes.append(tube)
    axes = body.axes[0] * scale, body.axes[1] * scale
    return Body(axes, tuple(tubes), body.ranges, moved(body.blobs))


def distances(body: Body, grid: Grid) -> np.ndarray:
    """Return per class the distance to the tube's axis over its radius, (C, D, H, W).

    Values above 2 are cut to 2; an organ is where its value is below 1.
    """
    axes = grid.axes_mm()
    shape = (len(body.tubes), grid.depth, grid.height, grid.width)
    squares = np.full(shape, 4.0, np.float32)
    for square, tube in zip(squares, body.tubes, strict=True):
        # Each ball of a tube changes only the box around it.
        for x, y, z, radius in tube:
            box, parts = [], []
            for axis, middle in zip(axes, (z, y, x), strict=True):
                low, high = np.searchsorted(axis, [middle - radius, middle + radius])
                box.append(slice(low, high))
                parts.append(((axis[low:high] - middle) / radius) ** 2)
            inside = square[tuple(box)]
            ball = parts[0][:, None, None] + parts[1][:, None] + parts[2]
            np.minimum(inside, ball, out=inside)
    return np.sqrt(squares)


def masks(body: Body, grid: Grid, distance: np.ndarray) -> np.ndarray:
    """Return the annotation bool (D, H, W, C) that belongs to `distances`.

    Organs overlap only in a rim: an earlier class is not deep inside a later one. No
    slice has slivers of an organ, or little of it.
    """
    import cv2

    z = grid.axes_mm()[0]
    ranges = [((z >= a) & (z <= b))[:, None, None] for a, b in body.ranges]
    size = round(_SLIVER_MM / grid.spacing_mm)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    smallest = _SMALLEST_AREA_MM2 / grid.spacing_mm**2
    inside = distance < 1
    for index, organ in enumerate(inside):
        organ &= ranges[index]
        for later in range(index + 1, len(inside)):
            organ &= (distance[later] > 0.8) | ~ranges[later]
        for plane in organ.view(np.uint8):
            cv2.morphologyEx(plane, cv2.MORPH_OPEN, brush, dst=plane)
        organ &= organ.sum((1, 2), keepdims=True) > smallest
    return np.moveaxis(inside, 0, -1)
