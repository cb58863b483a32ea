"""Transposed convolutions whose kernel is as large as their stride, as one product.

Every pixel then makes a block of pixels, and blocks do not overlap: a matrix product,
whose results are put in order, computes them. On a GPU the gradient of a transposed
convolution takes several times as long. The layers have the same names as those of
Keras, because files of weights name layers by their class, and files of older versions
must load.
"""

import math
from typing import Any

from keras import layers, ops

Tensor = Any


class Conv2DTranspose(layers.Conv2DTranspose):
    """Turns each pixel of (B, H, W, K) into a block of pixels: (B, p H, q W, C)."""

    def call(self, x: Tensor) -> Tensor:
        """Return the blocks in their places."""
        return _spread(x, self.kernel) + self.bias


class Conv3DTranspose(layers.Conv3DTranspose):
    """Turns each voxel of (B, H, W, D, K) into a block: (B, p H, q W, r D, C)."""

    def call(self, x: Tensor) -> Tensor:
        """Return the blocks in their places."""
        return _spread(x, self.kernel) + self.bias


def _spread(x: Tensor, kernel: Tensor) -> Tensor:
    """Return the block that each pixel makes, by a kernel (*block, C, K)."""
    sizes, before = x.shape[1:-1], x.shape[-1]
    *block, width, _ = kernel.shape
    matrix = ops.reshape(kernel, (-1, before))
    product = ops.matmul(ops.reshape(x, (-1, before)), ops.transpose(matrix))
    # The innermost side of a block stays with the channels: they are in order already.
    outer, inner = block[:-1], block[-1] * width
    product = ops.reshape(product, (-1, *sizes, *outer, inner))
    rank = len(sizes)
    pairs = [place for side in range(1, rank) for place in (side, rank + side)]
    product = ops.transpose(product, (0, *pairs, rank, 2 * rank))
    larger = [math.prod(each) for each in zip(sizes, block, strict=True)]
    return ops.reshape(product, (-1, *larger, width))
