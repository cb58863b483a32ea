"""UPerNet (Xiao et al., 2018): a feature pyramid whose top sees the whole image."""

import math

import keras
import numpy as np
from keras import layers, ops

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, encoders, fpn

# The coarsest features are also averaged over grids of this many fields a side.
GRIDS = 1, 2, 3, 6


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a UPerNet: stack (H, W, K) to logits (H, W, classes)."""
    model = config.model
    stack = blocks.stack_input(config)
    *skips, bottom = encoders.encode(stack, config)[-fpn.SIZES :]
    top = pooled(bottom, model.widths[-1] // 2 or 1, model)
    features = fpn.pyramid(skips, top, model)
    fused = [
        blocks.enlarge(x, features[0], name=f"fuse{level}")
        for level, x in enumerate(features)
    ]
    joined = layers.Concatenate(name="fuse_join")(fused)
    x = blocks.conv(joined, top.shape[-1], model, name="fuse")
    return fpn.network_of_pyramid(config, stack, x, features, bottom, classes)


def pooled(x: blocks.Tensor, width: int, model: schema.Model) -> blocks.Tensor:
    """Join features (B, H, W, C) and their means over grids, to `width` channels."""
    branches = [x]
    for fields in GRIDS:
        name = f"grid{fields}"
        means = GridMeans(fields, name=name)(x)
        # Not normalised: a batch has few of these means.
        means = layers.Conv2D(width, 1, activation="relu", name=f"{name}_conv")(means)
        branches.append(ops.image.resize(means, x.shape[1:3]))
    joined = layers.Concatenate(name="grid_join")(branches)
    return blocks.conv(joined, width, model, name="top")


class GridMeans(layers.Layer):
    """Averages images over a grid: (B, H, W, C) to (B, fields, fields, C).

    Fields overlap by a pixel where the grid does not divide the size.
    """

    def __init__(self, fields: int, *, name: str) -> None:
        super().__init__(name=name)
        self.fields = fields

    def call(self, x: blocks.Tensor) -> blocks.Tensor:
        """Return the mean of each field, as the product with two small matrices."""
        rows, columns = (
            ops.convert_to_tensor(shares(size, self.fields), x.dtype)
            for size in x.shape[1:3]
        )
        return ops.einsum("ih,bhwc,jw->bijc", rows, x, columns)


def shares(size: int, fields: int) -> np.ndarray:
    """Return the share of each pixel of a side in each field's mean: (fields, size)."""
    matrix = np.zeros((fields, size), np.float32)
    for field in range(fields):
        first = field * size // fields
        last = math.ceil((field + 1) * size / fields)
        matrix[field, first:last] = 1 / (last - first)
    return matrix
