"""Pictures of suspects: strips of slices from before each suspect to after it."""

from collections.abc import Sequence

import cv2
import numpy as np

from competition.core import masks
from competition.core.pages import pictures
from competition.study.audit import checks

_PANEL = 224
_MARGIN = 30
_SMALLEST = 120
_PANELS = 5
_BAR = (80, 200, 255)


def draw(
    volume: np.ndarray, bits: masks.Bits, suspect: checks.Suspect, numbers: list[int]
) -> np.ndarray:
    """Draw a suspect in its slices of a scan (D, H, W) as a strip BGR (h, w, 3).

    Its masks have thick outlines, those of other classes thin ones. A bright bar marks
    its slices. `numbers` (D,) are the slices' own numbers.
    """
    first, last = numbers.index(suspect.first), numbers.index(suspect.last)
    # The slice before, the first, middle and last, and the one after.
    chosen = {first - 1, first, (first + last) // 2, last, last + 1}
    if last - first >= _PANELS:
        chosen = set(np.linspace(first, last, _PANELS).round().astype(int).tolist())
    indices = sorted(index for index in chosen if 0 <= index < len(volume))
    rows, columns = _box(bits[indices], suspect.classes)
    grey = volume[:, rows, columns][indices].astype(np.float32)
    low, high = np.percentile(grey, (1, 99.5))
    scaled = np.clip((grey - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    panels = []
    for index, image in zip(indices, scaled, strict=True):
        panel = cv2.resize(image, (_PANEL, _PANEL), interpolation=cv2.INTER_CUBIC)
        panel = cv2.cvtColor(panel, cv2.COLOR_GRAY2BGR)
        _outline(panel, bits[index, rows, columns], suspect.classes)
        if first <= index <= last:
            panel[-4:] = _BAR
        # White on a black rim shows on every grey value.
        for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            font = cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA
            cv2.putText(panel, str(numbers[index]), (6, 16), *font)
        panels += [panel, np.zeros((_PANEL, 4, 3), np.uint8)]
    return np.hstack(panels[:-1])


def _box(bits: masks.Bits, classes: Sequence[int]) -> tuple[slice, slice]:
    """Return rows and columns of a square around the masks of some classes (n, H, W).

    Without such a mask, it is as large as the slice allows.
    """
    height, width = bits.shape[1:]
    covered = np.any([masks.plane(bits, c).any(axis=0) for c in classes], axis=0)
    left, top, across, down = cv2.boundingRect(covered.astype(np.uint8))
    if not across:
        left, top, across, down = 0, 0, width, height
    side = max(across - 1, down - 1) + 2 * _MARGIN
    side = min(max(side, _SMALLEST), height, width)
    y = int(np.clip(top + (down - 1) // 2 - side // 2, 0, height - side))
    x = int(np.clip(left + (across - 1) // 2 - side // 2, 0, width - side))
    return slice(y, y + side), slice(x, x + side)


def _outline(panel: np.ndarray, bits: masks.Bits, classes: Sequence[int]) -> None:
    for c in range(8 * bits.dtype.itemsize):
        plane, size = masks.plane(bits, c).astype(np.uint8), panel.shape[1::-1]
        large = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR_EXACT)
        lines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        blue_green_red = pictures.class_rgb(c)[::-1]
        thickness = 2 if c in classes else 1
        cv2.drawContours(panel, lines, -1, blue_green_red, thickness, cv2.LINE_AA)
