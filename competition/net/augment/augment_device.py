"""Engine "device": augmentation inside the training step, on TensorFlow and JAX.

It applies only the changes that the batch carries. After the other engines only mixup
is left, whose masks cannot be packed into bits.
"""

import functools
from typing import Any

import numpy as np
from keras import ops

from competition.net import devices
from competition.net.augment import augment_params

Tensor = Any


def apply(
    stack: Tensor, truth: Tensor, batch: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Change normalised stacks (B, H, W, K) and planes (B, H, W, C) together.

    `batch` may hold any of the changes of `augment_params`. Both are float32 in 0..1.
    """
    if "warp" in batch:
        stack, truth = _warp(stack, truth, batch["warp"])
    stack = _intensities(stack, batch)
    if "holes" in batch:
        outside = 1 - _inside(batch["holes"], stack)
        stack, truth = stack * outside, truth * outside
    if "cutmix" in batch:
        partner, box = batch["cutmix"][:, 0], batch["cutmix"][:, None, 1:]
        share = _inside(box, stack)
        stack, truth = (_blend(each, partner, share) for each in (stack, truth))
    if "mixup" in batch:
        partner = batch["mixup"][:, 0]
        share = ops.reshape(batch["mixup"][:, 1], (-1, 1, 1, 1))
        stack, truth = (_blend(each, partner, share) for each in (stack, truth))
    return stack, truth


def _intensities(stack: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Change gamma, gain, bias field, blur and noise, then clip to 0..1."""
    if not {"tone", "bias", "blur", "noise"} & batch.keys():
        return stack
    if "tone" in batch:
        gain, gamma = ops.split(ops.reshape(batch["tone"], (-1, 1, 1, 2)), 2, axis=-1)
        stack = gain * ops.power(stack, gamma)
    if "bias" in batch:
        field = _upsample(ops.expand_dims(batch["bias"], -1), stack)
        stack = stack * ops.exp(field)
    if "blur" in batch:
        stack = _blur(stack, batch["blur"])
    if "noise" in batch:
        stack = stack + _noise(stack, batch["noise"])
    return ops.clip(stack, 0.0, 1.0)


def _warp(stack: Tensor, truth: Tensor, control: Tensor) -> tuple[Tensor, Tensor]:
    """Sample stacks between pixels and planes at the nearest; 0 beyond the border."""
    place = _upsample(control, stack)
    height, width = stack.shape[1:3]
    x = ops.clip(place[..., 0], -1.0, float(width))
    y = ops.clip(place[..., 1], -1.0, float(height))
    left = ops.clip(ops.floor(x), -1.0, width - 1.0)
    top = ops.clip(ops.floor(y), -1.0, height - 1.0)
    right, below = (ops.expand_dims(each, -1) for each in (x - left, y - top))
    stack, truth = (
        ops.pad(each, [[0, 0], [1, 1], [1, 1], [0, 0]]) for each in (stack, truth)
    )
    at = functools.partial(_pixels, stack)
    upper = at(top, left) * (1 - right) + at(top, left + 1) * right
    lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    nearest = _pixels(truth, ops.floor(y + 0.5), ops.floor(x + 0.5))
    return upper * (1 - below) + lower * below, nearest


def _pixels(framed: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Take the pixels at rows and columns (B, H, W), counted from -1, the frame."""
    samples, height, width, channels = ops.shape(framed)
    first = np.arange(samples).reshape(-1, 1, 1) * height
    row = ops.cast(y, devices.INDEX) + ops.convert_to_tensor(first + 1, devices.INDEX)
    index = row * width + ops.cast(x, devices.INDEX) + 1
    return ops.take(ops.reshape(framed, (-1, channels)), index, axis=0)


def _upsample(grid: Tensor, like: Tensor) -> Tensor:
    """Draw the B-spline of control points (B, P, P, C) at all pixels (B, H, W, C)."""
    # Not as a matrix product: GPUs and TPUs round its factors, which would move pixels.
    points = grid.shape[1]
    for axis, size in ((1, like.shape[1]), (2, like.shape[2])):
        matrix = augment_params.spline_matrix(size, points)
        lined = (-1, 1, 1) if axis == 1 else (1, -1, 1)
        grid = sum(
            ops.expand_dims(grid[(slice(None),) * axis + (point,)], axis)
            * matrix[:, point].reshape((1, *lined))
            for point in range(points)
        )
    return grid


def _blur(stack: Tensor, sigma: Tensor) -> Tensor:
    """Convolve with a Gaussian, along each side as one matrix product."""
    blurred = stack
    for axis, side in (("bhwk,bih->biwk", 1), ("bhwk,biw->bhik", 2)):
        blurred = ops.einsum(axis, blurred, _gaussian(sigma, stack.shape[side]))
    # For a sigma of 0 the product would still round the pixels.
    return ops.where(ops.reshape(sigma, (-1, 1, 1, 1)) > 0, blurred, stack)


def _gaussian(sigma: Tensor, size: int) -> Tensor:
    """Return the weights (B, size, size) of each pixel of a side for each other.

    Pixels beyond the border count as 0: their weights count only in the total.
    """
    sigma = ops.reshape(ops.maximum(sigma, 0.05), (-1, 1, 1))
    place = ops.arange(size, dtype="float32")
    apart = ops.expand_dims(place, 0) - ops.expand_dims(place, 1)
    around = ops.reshape(ops.arange(-16, 17, dtype="float32"), (1, 1, -1))
    total = ops.sum(_bell(around, sigma), axis=-1, keepdims=True)
    return _bell(apart, sigma) / total


def _bell(distance: Tensor, sigma: Tensor) -> Tensor:
    return ops.exp(-0.5 * ops.square(distance / sigma))


def _noise(stack: Tensor, change: Tensor) -> Tensor:
    """Take each slice's noise out of the tile, whose edges meet."""
    sigma, *corner = ops.unstack(ops.reshape(change, (-1, 1, 1, 1, 3)), axis=-1)
    row, column = (ops.cast(each, devices.INDEX) for each in corner)
    y, x = augment_params.noise_places(stack.shape[1:])
    size = augment_params.NOISE_TILE
    tile = augment_params.noise_tile().reshape(-1)
    index = ops.mod(y + row, size) * size + ops.mod(x + column, size)
    return sigma * ops.take(tile, index, axis=0)


def _inside(boxes: Tensor, like: Tensor) -> Tensor:
    """Return 1 in pixels inside any of the boxes (B, N, 4), else 0: (B, H, W, 1)."""
    sides = ops.unstack(ops.expand_dims(boxes, (1, 2)), axis=-1)
    top, bottom, left, right = sides
    y, x = (np.arange(size, dtype="float32") for size in like.shape[1:3])
    y, x = y[:, None, None], x[:, None]
    inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return ops.cast(ops.any(inside, axis=-1, keepdims=True), like.dtype)


def _blend(image: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Give each sample's partner the share (B, H or 1, W or 1, 1) of its pixels."""
    # If several devices share a batch, a partner may lie in another device's part.
    partner = ops.cast(ops.mod(partner, ops.shape(image)[0]), devices.INDEX)
    return image * (1 - share) + ops.take(image, partner, axis=0) * share
