"""MiT, the encoder of SegFormer (Xie et al., 2021), on images of any size.

The MiT of keras_hub takes only squares. Layers and attributes have the same names as
there, because files of weights contain these names, and those of keras_hub must load.
Without the `build` methods Keras would run each layer, and those inside, to build it.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from competition.net.networks.encoders import family

Tensor = Any
Shape = tuple[int | None, ...]
# The arguments of keras_hub's MiTBackbone in which its encoders differ.
CONFIGS = {
    f"mit_b{number}": {"layerwise_depths": depths, "hidden_dims": widths}
    for number, (depths, widths) in enumerate(
        [
            ([2, 2, 2, 2], [32, 64, 160, 256]),
            ([2, 2, 2, 2], [64, 128, 320, 512]),
            ([3, 4, 6, 3], [64, 128, 320, 512]),
            ([3, 4, 18, 3], [64, 128, 320, 512]),
            ([3, 8, 27, 3], [64, 128, 320, 512]),
            ([3, 6, 40, 3], [64, 128, 320, 512]),
        ]
    )
}
# At each level: the size of a patch, what each side is divided by, the heads of the
# attention, and what each side of its keys is divided by.
LEVELS = (7, 4, 1, 8), (3, 2, 2, 4), (3, 2, 5, 2), (3, 2, 8, 1)
# The share of samples in which the last block is left out; the first one never is.
DROP_PATH = 0.1


def build(name: str, shape: family.Shape) -> keras.Model:
    """Build a MiT by its name: image (H, W, C) to features of four sizes."""
    depths, widths = CONFIGS[name].values()
    dropped = iter(np.linspace(0, DROP_PATH, sum(depths)))
    x = image = keras.Input(shape)
    features = []
    for level, (size, stride, heads, reduction) in enumerate(LEVELS):
        width = widths[level]
        x = OverlappingPatchingAndEmbedding(
            width, size, stride, name=f"patch_and_embed_{level}"
        )(x)
        for number in range(depths[level]):
            x = HierarchicalTransformerEncoder(
                width,
                heads,
                reduction,
                dropped=float(next(dropped)),
                name=f"hierarchical_encoder_{level}_{number}",
            )(x)
        x = layers.LayerNormalization(epsilon=1e-5)(x)
        features.append(x)
    return keras.Model(image, features)


FAMILIES = dict.fromkeys(
    CONFIGS,
    family.EncoderFamily(build, lambda whole: (whole.inputs[0], whole.outputs)),
)


class OverlappingPatchingAndEmbedding(layers.Layer):
    """Turns patches, which overlap, into features: (B, H, W, C) to (B, h, w, width)."""

    def __init__(self, width: int, size: int, stride: int, *, name: str) -> None:
        super().__init__(name=name)
        self.padding = layers.ZeroPadding2D(size // 2)
        self.proj = layers.Conv2D(width, size, strides=stride)
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.width = width

    def build(self, shape: Shape) -> None:
        """Make the weights of the parts."""
        self.proj.build(self.padding.compute_output_shape(shape))
        self.norm.build((*shape[:-1], self.width))

    def call(self, x: Tensor) -> Tensor:
        """Return the features; their sides are divided by the stride, rounded up."""
        return self.norm(self.proj(self.padding(x)))


class HierarchicalTransformerEncoder(layers.Layer):
    """A block of the transformer: attention, then a small network on each pixel."""

    def __init__(
        self, width: int, heads: int, reduction: int, *, dropped: float, name: str
    ) -> None:
        super().__init__(name=name)
        self.norm1 = layers.LayerNormalization(epsilon=1e-6)
        self.attn = SegFormerMultiheadAttention(width, heads, reduction)
        # It leaves out the whole branch of a sample.
        self.drop_path = layers.Dropout(dropped, noise_shape=(None, 1, 1, 1))
        self.norm2 = layers.LayerNormalization(epsilon=1e-6)
        self.mlp = MixFFN(width)

    def build(self, shape: Shape) -> None:
        """Make the weights of the parts."""
        for part in (self.norm1, self.attn, self.norm2, self.mlp):
            part.build(shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Add the outputs of both parts to the features."""
        x = x + self.drop_path(self.attn(self.norm1(x)), training=training)
        return x + self.drop_path(self.mlp(self.norm2(x)), training=training)


class SegFormerMultiheadAttention(layers.Layer):
    """Attention of all pixels to the pixels of a smaller image."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = layers.Dense(width)
        self.k = layers.Dense(width)
        self.v = layers.Dense(width)
        self.proj = layers.Dense(width)
        if reduction > 1:
            # Padded where the reduction does not divide the size.
            self.sr = layers.Conv2D(width, reduction, strides=reduction, padding="same")
            self.norm = layers.LayerNormalization(epsilon=1e-5)

    def build(self, shape: Shape) -> None:
        """Make the weights of the parts."""
        for part in (self.q, self.k, self.v, self.proj):
            part.build(shape)
        if self.reduction > 1:
            self.sr.build(shape)
            self.norm.build(shape)

    def call(self, x: Tensor) -> Tensor:
        """Return what each pixel attends to: (B, H, W, C)."""
        height, width, channels = x.shape[1:]
        smaller = self.norm(self.sr(x)) if self.reduction > 1 else x
        query, key, value = self.q(x), self.k(smaller), self.v(smaller)
        seen = ops.dot_product_attention(
            *map(self._split, (query, key, value)), flash_attention=False
        )
        return self.proj(ops.reshape(seen, (-1, height, width, channels)))

    def _split(self, x: Tensor) -> Tensor:
        """Turn (B, H, W, C) into pixels and heads (B, H * W, heads, C / heads)."""
        height, width, channels = x.shape[1:]
        shape = height * width, self.heads, channels // self.heads
        return ops.reshape(x, (-1, *shape))


class MixFFN(layers.Layer):
    """A network of two layers on each pixel, between which pixels see neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 4 * width
        self.fc1 = layers.Dense(self.width)
        self.dwconv = layers.DepthwiseConv2D(3, padding="same")
        self.fc2 = layers.Dense(width)

    def build(self, shape: Shape) -> None:
        """Make the weights of the parts."""
        self.fc1.build(shape)
        wide = *shape[:-1], self.width
        self.dwconv.build(wide)
        self.fc2.build(wide)

    def call(self, x: Tensor) -> Tensor:
        """Return new features of the same shape."""
        return self.fc2(ops.gelu(self.dwconv(self.fc1(x))))
