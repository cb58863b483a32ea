"""Engine "device": augmentation inside the training step, on TensorFlow and JAX.

It makes the changes that the batch carries and no others. After the other engines that
is mixup alone, whose masks cannot be packed into bits.
"""

from typing import Any

from keras import ops

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
    at = _Pixels(stack).at
    upper = at(top, left) * (1 - right) + at(top, left + 1) * right
    lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    nearest = _Pixels(truth).at(ops.floor(y + 0.5), ops.floor(x + 0.5))
    return upper * (1 - below) + lower * below, nearest


class _Pixels:
    """The pixels of a batch, framed by zeros, as one long list to take from."""

    def __init__(self, image: Tensor) -> None:
        self.height, self.width, channels = image.shape[1:]
        framed = ops.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
        self.pixels = ops.reshape(framed, (-1, channels))
        self.size = ops.shape(image)[0]

    def at(self, y: Tensor, x: Tensor) -> Tensor:
        """Return the pixels at whole rows and columns (B, H, W), -1 to the size."""
        first = ops.reshape(ops.arange(self.size, dtype="int32"), (-1, 1, 1))
        row = first * (self.height + 2) + ops.cast(y, "int32") + 1
        index = row * (self.width + 2) + ops.cast(x, "int32") + 1
        return ops.take(self.pixels, index, axis=0)


def _upsample(grid: Tensor, like: Tensor) -> Tensor:
    """Draw the B-spline of control points (B, P, P, C) at all pixels (B, H, W, C)."""
    # Not as a matrix product: GPUs and TPUs round its factors, which would move pixels.
    points = grid.shape[1]
    for axis, size in ((1, like.shape[1]), (2, like.shape[2])):
        matrix = augment_params.spline_matrix(size, points)
        lined = (-1, 1, 1) if axis == 1 else (1, -1, 1)
        grid = sum(
            ops.take(grid, [point], axis=axis) * matrix[:, point].reshape((1, *lined))
            for point in range(points)
        )
    return grid


def _blur(stack: Tensor, sigma: Tensor) -> Tensor:
    """Convolve with a Gaussian, along each side as one matrix product."""
    blurred = stack
    for axis, side in (("bhwk,bih->biwk", 1), ("bhwk,biw->bhik", 2)):
        blurred = ops.einsum(axis, blurred, _gaussian(sigma, stack.shape[side]))
    # Where sigma is 0 the product would still round the pixels.
    return ops.where(ops.reshape(sigma, (-1, 1, 1, 1)) > 0, blurred, stack)


def _gaussian(sigma: Tensor, size: int) -> Tensor:
    """Return the weights (B, size, size) of each pixel for each.

    Pixels beyond the border count as 0: their weights are in the total alone.
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
    sigma, row, column = (
        ops.reshape(change[:, number], (-1, 1, 1, 1)) for number in range(3)
    )
    height, width, slices = stack.shape[1:]
    offsets = augment_params.tile_offsets(slices).astype("int32")
    y = ops.reshape(ops.arange(height, dtype="int32"), (1, -1, 1, 1)) + offsets[:, 0]
    x = ops.reshape(ops.arange(width, dtype="int32"), (1, 1, -1, 1)) + offsets[:, 1]
    y = ops.mod(y + ops.cast(row, "int32"), augment_params.NOISE_TILE)
    x = ops.mod(x + ops.cast(column, "int32"), augment_params.NOISE_TILE)
    tile = augment_params.noise_tile().reshape(-1)
    return sigma * ops.take(tile, y * augment_params.NOISE_TILE + x, axis=0)


def _inside(boxes: Tensor, like: Tensor) -> Tensor:
    """Return 1 in pixels inside any of the boxes (B, N, 4), else 0: (B, H, W, 1)."""
    top, bottom, left, right = (
        ops.reshape(boxes[..., side], (-1, 1, 1, boxes.shape[1])) for side in range(4)
    )
    y = ops.reshape(ops.arange(like.shape[1], dtype="float32"), (1, -1, 1, 1))
    x = ops.reshape(ops.arange(like.shape[2], dtype="float32"), (1, 1, -1, 1))
    inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return ops.cast(ops.any(inside, axis=-1, keepdims=True), like.dtype)


def _blend(image: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Give each sample's partner the share (B, H or 1, W or 1, 1) of its pixels."""
    # Where several devices share a batch, a partner may lie in another's part.
    partner = ops.mod(ops.cast(partner, "int32"), ops.shape(image)[0])
    return image * (1 - share) + ops.take(image, partner, axis=0) * share
