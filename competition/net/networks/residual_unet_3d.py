"""A 3D U-Net of residual blocks, as SegResNet (Myronenko, 2018) and nnU-Net's ResEnc.

The encoder is deeper than the decoder. The first halving keeps the depth, since slices
are twice as thick as pixels are wide: from then on voxels are about as long as wide.
"""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, doubling, recomputed, unet_3d

Strides = tuple[int, int, int]
# The encoder's blocks at each level, finest first; deeper levels have as many as the
# last one. The decoder has one at each.
BLOCKS = 1, 2, 2, 4


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a residual 3D U-Net: patch (h, w, D) to logits (h, w, D, classes).

    Deep outputs are coarser only in height and width; presence is that of each slice.
    """
    model = config.model
    patch, voxels = unet_3d.patch_input(model)
    halvings = strides(model.patch[0], len(model.widths))
    decoded = decode(encode(voxels, halvings, model), halvings, model)
    return unet_3d.network_of_decoder(config, patch, decoded, classes)


def strides(depth: int, levels: int) -> list[Strides]:
    """Return by what height, width and depth are divided before each level.

    A depth below 4 is not halved.
    """
    divided: list[Strides] = [(1, 1, 1)]
    for level in range(1, levels):
        deep = 2 if level > 1 and depth >= 4 else 1
        depth = -(-depth // deep)
        divided.append((2, 2, deep))
    return divided


def encode(
    x: blocks.Tensor, halvings: list[Strides], model: schema.Model
) -> list[blocks.Tensor]:
    """Return the features of every level, finest first."""
    features = []
    for level, width in enumerate(model.widths):
        for number in range(BLOCKS[min(level, len(BLOCKS) - 1)]):
            stride = (1, 1, 1) if number else halvings[level]
            name = f"encoder{level}_{number}"
            x = residual_block(x, width, model, stride=stride, name=name)
        features.append(x)
    return features


def decode(
    features: list[blocks.Tensor], halvings: list[Strides], model: schema.Model
) -> list[blocks.Tensor]:
    """Return the decoded features of every level, finest first, the bottom last.

    Features from below are added to the skip, which takes less memory than joining.
    """
    *skips, bottom = features
    decoded = [bottom]
    for level, skip in reversed(list(enumerate(skips))):
        width, stride = model.widths[level], halvings[level + 1]
        transposed = doubling.Conv3DTranspose(
            width, stride, strides=stride, name=f"up{level}"
        )
        up = blocks.crop(transposed(decoded[0]), skip, name=f"up{level}_crop")
        x = layers.Add(name=f"join{level}")([skip, up])
        decoded.insert(0, residual_block(x, width, model, name=f"decoder{level}"))
    return decoded


def residual_block(
    x: blocks.Tensor,
    width: int,
    model: schema.Model,
    *,
    name: str,
    stride: Strides = (1, 1, 1),
) -> blocks.Tensor:
    """Add to features (B, H, W, D, C) the output of two convolutions on them."""

    def block(x: blocks.Tensor) -> blocks.Tensor:
        inner = _convolve(x, width, model, stride=stride, name=f"{name}_1")
        inner = layers.ReLU(name=f"{name}_1_relu")(inner)
        if model.dropout:
            dropout = layers.SpatialDropout3D(model.dropout, name=f"{name}_dropout")
            inner = dropout(inner)
        inner = _convolve(inner, width, model, name=f"{name}_2")
        x = _shortcut(x, width, model, stride=stride, name=name)
        x = layers.Add(name=f"{name}_add")([x, inner])
        return layers.ReLU(name=f"{name}_relu")(x)

    return recomputed.apply(block, x, model, name=name)


def _shortcut(
    x: blocks.Tensor, width: int, model: schema.Model, *, stride: Strides, name: str
) -> blocks.Tensor:
    """Bring features to the size and the width that a block makes."""
    if max(stride) > 1:
        # TensorFlow on a CPU cannot pool volumes of float16.
        x = layers.AveragePooling3D(
            stride, padding="same", dtype="float32", name=f"{name}_pool"
        )(x)
    if x.shape[-1] != width:
        x = _convolve(x, width, model, size=1, name=f"{name}_shortcut")
    return x


def _convolve(
    x: blocks.Tensor,
    width: int,
    model: schema.Model,
    *,
    name: str,
    size: int = 3,
    stride: Strides = (1, 1, 1),
) -> blocks.Tensor:
    x = layers.Conv3D(
        width,
        size,
        strides=stride,
        padding="same",
        # The normalisation's beta takes its place.
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return blocks.normalise(x, model, name=f"{name}_norm")
