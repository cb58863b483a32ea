"""Do the borders of masks lie where the slices have edges?

Along the border of a well-drawn mask the slice gets brighter, or darker, all the way
round. A border somewhere else crosses edges too, but of either sign, and they cancel.
"""

import math

import numpy as np

# The border is tried this many pixels away, in both directions.
REACH = 40
STEP = 4
_NEAR = 8
_POINTS = 160
_BLUR = 1.5

Border = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def body(image: np.ndarray) -> np.ndarray:
    """Return the body bool (H, W): what is brighter than air, holes filled."""
    import cv2

    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 2)
    top = float(np.percentile(smooth, 99)) or 1.0
    scaled = np.clip(smooth * (255 / top), 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    # Half of Otsu's level: dark organs belong to the body, air is darker still.
    bright = (scaled > level / 2).astype(np.uint8)
    found, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(bright)
    if found:
        largest = max(found, key=cv2.contourArea)
        cv2.drawContours(filled, [largest], -1, 1, cv2.FILLED)
    return filled.astype(bool)


def gradients(image: np.ndarray) -> np.ndarray:
    """Return the slope (2, H, W) along y and x, cut so that a few edges cannot rule."""
    import cv2

    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _BLUR)
    slope = np.stack([_sobel(smooth, 0, 1), _sobel(smooth, 1, 0)])
    strength = np.hypot(*slope)
    top = float(np.percentile(strength, 90)) or 1.0
    return (slope / np.maximum(strength, top)).astype(np.float16)


def border(mask: np.ndarray) -> Border:
    """Return y, x and the normal's y, x of points on a mask's border, each (P,)."""
    import cv2

    plane = mask.astype(np.uint8)
    inner = cv2.erode(plane, np.ones((3, 3), np.uint8))
    # A mask that fills its slice has no border: all of it stands for one.
    y, x = np.nonzero(plane if inner.all() else plane - inner)
    every = math.ceil(len(y) / _POINTS)
    y, x = y[::every], x[::every]
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _BLUR)
    down, right = _sobel(smooth, 0, 1)[y, x], _sobel(smooth, 1, 0)[y, x]
    length = np.maximum(np.hypot(down, right), 1e-6)
    return y, x, down / length, right / length


def along(slopes: np.ndarray, line: Border) -> float:
    """How much of an edge (0 to 1) of one sign a border follows."""
    y, x, down, right = line
    return float(abs((slopes[0, y, x] * down + slopes[1, y, x] * right).mean()))


def around(slopes: np.ndarray, line: Border) -> np.ndarray:
    """The same (N, N) for the border shifted by -REACH to REACH, down by right."""
    y, x, down, right = line
    height, width = slopes.shape[1:]
    steps = offsets()[:, None]
    rows = (y + steps).clip(0, height - 1)[:, None]
    columns = (x + steps).clip(0, width - 1)[None]
    crossed = slopes[0][rows, columns] * down + slopes[1][rows, columns] * right
    return np.abs(crossed.mean(axis=-1))


def offsets() -> np.ndarray:
    """The shifts (N,) in pixels that `around` tries along each axis."""
    return np.arange(-REACH, REACH + 1, STEP)


def standing_out(values: np.ndarray) -> np.ndarray:
    """Values (N, N) of `around` in units of their spread far from the middle."""
    far = values[np.hypot(*np.meshgrid(offsets(), offsets())) > _NEAR]
    return (values - far.mean()) / max(float(far.std()), 1e-3)


def _sobel(image: np.ndarray, right: int, down: int) -> np.ndarray:
    import cv2

    return cv2.Sobel(image, cv2.CV_32F, right, down)
