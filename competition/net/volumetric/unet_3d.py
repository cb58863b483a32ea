"""3D U-Net (Çiçek et al., 2016): the U-Net whose convolutions see depth as well.

Its features are (B, H, W, D, C). Depth is halved with height and width only down to 2,
since a patch is flatter than it is wide.
"""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, heads

SHALLOWEST = 4


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a 3D U-Net: patch (h, w, D) to logits (h, w, D, classes).

    Deep outputs are coarser in height and width alone; the presence is each slice's.
    """
    model = config.model
    depth, height, width = model.patch
    patch = keras.Input((height, width, depth), name="stack")
    x = layers.Reshape((height, width, depth, 1), name="voxels")(patch)
    skips = []
    for level, channels in enumerate(model.widths[:-1]):
        x = conv_block(x, channels, model, name=f"encoder{level}")
        skips.append(x)
        # TensorFlow on a CPU cannot pool volumes of float16.
        pool = layers.MaxPooling3D(
            halved(x), padding="same", dtype="float32", name=f"pool{level}"
        )
        x = pool(x)
    decoded = [conv_block(x, model.widths[-1], model, name="bottom")]
    for level, skip in reversed(list(enumerate(skips))):
        decoded.insert(0, decode(decoded[0], skip, model, level=level))
    return heads.network(
        config,
        patch,
        logits=logits(decoded[0], classes, name="logits"),
        deep=_deep(decoded[:-1], classes, model),
        bottom=decoded[0],
    )


def halved(x: blocks.Tensor) -> tuple[int, int, int]:
    """By how much features (B, H, W, D, C) are made smaller along each side."""
    return 2, 2, 2 if x.shape[3] >= SHALLOWEST else 1


def conv_block(
    x: blocks.Tensor, width: int, model: schema.Model, *, name: str
) -> blocks.Tensor:
    """Convolution, normalisation, ReLU, twice; the size stays, channels = `width`."""
    x = _conv(x, width, model, name=f"{name}_1")
    if model.dropout:
        x = layers.SpatialDropout3D(model.dropout, name=f"{name}_dropout")(x)
    return _conv(x, width, model, name=f"{name}_2")


def _conv(
    x: blocks.Tensor, width: int, model: schema.Model, *, name: str
) -> blocks.Tensor:
    x = layers.Conv3D(
        width,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = blocks.normalise(x, model, name=f"{name}_norm")
    return layers.ReLU(name=f"{name}_relu")(x)


def decode(
    x: blocks.Tensor, skip: blocks.Tensor, model: schema.Model, *, level: int
) -> blocks.Tensor:
    """Bring `x` to the size of the skip at `level`, join the two and convolve."""
    width, factors = model.widths[level], halved(skip)
    x = layers.Conv3DTranspose(width, factors, strides=factors, name=f"up{level}")(x)
    x = _crop(x, skip, name=f"up{level}_crop")
    x = layers.Concatenate(name=f"join{level}")([skip, x])
    return conv_block(x, width, model, name=f"decoder{level}")


def _crop(x: blocks.Tensor, like: blocks.Tensor, *, name: str) -> blocks.Tensor:
    """Cut what doubling odd sizes has added at the end of each side."""
    surplus = [x.shape[axis] - like.shape[axis] for axis in (1, 2, 3)]
    if not any(surplus):
        return x
    margins = tuple((0, each) for each in surplus)
    return layers.Cropping3D(margins, dtype=x.dtype, name=name)(x)


def logits(x: blocks.Tensor, classes: int, *, name: str) -> blocks.Tensor:
    """Logits (B, H, W, D, classes), float32 whatever the policy."""
    return layers.Conv3D(
        classes, 1, dtype="float32", bias_initializer=heads.prior(), name=name
    )(x)


def _deep(
    decoded: list[blocks.Tensor], classes: int, model: schema.Model
) -> list[blocks.Tensor]:
    """Logits of features that are not the last, each slice's the nearest to it."""
    if not model.deep_supervision:
        return []
    outputs = []
    for number, x in enumerate(decoded[1:], start=1):
        coarse = logits(x, classes, name=f"deep{number}")
        outputs.append(_deepen(coarse, decoded[0].shape[3], name=f"deep{number}"))
    return outputs


def _deepen(x: blocks.Tensor, depth: int, *, name: str) -> blocks.Tensor:
    """Repeat the slices of features whose depth was halved, rounding up."""
    times = blocks.factor((depth, 1), (x.shape[3], 1))
    if times == 1:
        return x
    up = layers.UpSampling3D((1, 1, times), dtype=x.dtype, name=f"{name}_up")(x)
    margins = (0, 0), (0, 0), (0, up.shape[3] - depth)
    return layers.Cropping3D(margins, dtype=x.dtype, name=f"{name}_crop")(up)
