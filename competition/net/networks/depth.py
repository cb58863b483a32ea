"""The depth of patches as part of the batch or of the channels.

In these forms patches pass through code for images: losses treat each slice as a
sample, warps and views move all slices of a patch alike. Arrays without depth stay as
they are.
"""

from typing import Any

from keras import ops

Tensor = Any


def as_samples(outputs: dict[str, Any]) -> dict[str, Any]:
    """Turn each (B, H, W, D, C) into (B * D, H, W, C), (B, D, C) into (B * D, C)."""
    return {
        name: [_slices(array) for array in value]
        if isinstance(value, (list, tuple))
        else _slices(value)
        for name, value in outputs.items()
    }


def _slices(values: Tensor) -> Tensor:
    shape = values.shape
    if len(shape) == 5:
        values = ops.transpose(values, (0, 3, 1, 2, 4))
        return ops.reshape(values, (-1, *shape[1:3], shape[4]))
    return ops.reshape(values, (-1, shape[-1])) if len(shape) == 3 else values


def as_channels(planes: Tensor) -> Tensor:
    """Turn (B, H, W, D, C) into (B, H, W, D * C)."""
    if len(planes.shape) < 5:
        return planes
    _, height, width, depth, classes = planes.shape
    return ops.reshape(planes, (-1, height, width, depth * classes))
