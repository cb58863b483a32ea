"""The views of a slice that test-time augmentation predicts: flips and scales.

`apply` and `undo` are a pair: what `apply` does to the input, `undo` takes back from
the prediction.
"""

from typing import Any, NamedTuple

from keras import ops

from competition.core.experiment import configs

Tensor = Any


class View(NamedTuple):
    """A slice flipped left to right, or not, and enlarged by a factor."""

    flipped: bool = False
    scale: float = 1.0


PLAIN = View()


def combinations(config: configs.Config) -> tuple[View, ...]:
    """Return all combinations of flip and scale, the plain view first."""
    flips = (False, True) if "flip" in config.tta else (False,)
    scales = dict.fromkeys((1.0, *config.submit.scales))
    return tuple(View(flipped, scale) for scale in scales for flipped in flips)


def apply(stack: Tensor, view: View) -> Tensor:
    """Flip and scale a stack (B, H, W, K) about its centre; its size stays."""
    height, width = stack.shape[1:3]
    zoomed = (round(height * view.scale), round(width * view.scale))
    stack = ops.flip(stack, axis=2) if view.flipped else stack
    if zoomed == (height, width):
        return stack
    resized = ops.image.resize(stack, zoomed, antialias=view.scale < 1)
    return _centre(resized, (height, width))


def undo(planes: Tensor, view: View) -> Tensor:
    """Undo `apply` on planes (B, H, W, C); 0 where the view left the frame."""
    height, width = planes.shape[1:3]
    zoomed = (round(height * view.scale), round(width * view.scale))
    if zoomed != (height, width):
        whole = _centre(planes, zoomed)
        planes = ops.image.resize(whole, (height, width), antialias=view.scale > 1)
    return ops.flip(planes, axis=2) if view.flipped else planes


def _centre(planes: Tensor, target: tuple[int, int]) -> Tensor:
    """Crop or pad (B, H, W, K) about the centre to the target's height and width."""
    for axis, size in enumerate(target, start=1):
        difference = size - planes.shape[axis]
        before = abs(difference) // 2
        if difference > 0:
            margins = [(0, 0)] * 4
            margins[axis] = (before, difference - before)
            planes = ops.pad(planes, margins)
        elif difference < 0:
            inside = slice(before, before + size)
            planes = planes[:, inside] if axis == 1 else planes[:, :, inside]
    return planes
