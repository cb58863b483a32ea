"""DeepLabV3+ (Chen et al., 2018): dilated convolutions with a wide view at a 16th."""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, encoders, heads

Tensor = blocks.Tensor

# Half the paper's dilation rates: ours are smaller images, where a wider convolution
# would see mostly padding.
RATES = (3, 6, 9)
# The level whose features give the outlines: they have a fourth of the input's size.
OUTLINE_LEVEL = 2


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a DeepLabV3+: stack (H, W, K) to logits (H, W, classes).

    The deepest features have a sixteenth of the input's size with five widths, and
    over an encoder; two widths are the fewest.
    """
    model = config.model
    if len(model.widths) < 2:
        raise ValueError(
            "`model.widths` of a deeplab needs at least 2 levels, one for outlines "
            f"and one below. Received: {list(model.widths)}. Add a width."
        )
    stack = blocks.stack_input(config)
    skips, bottom = encoders.encode(stack, config, halvings=4)
    level = min(OUTLINE_LEVEL, len(skips) - 1)
    width = model.widths[-1] // 2 or 1
    context = pyramid(bottom, width, model)
    x = blocks.enlarge(context, skips[level], name="up")
    outline = blocks.conv(skips[level], width // 4 or 1, model, name="outline", size=1)
    x = layers.Concatenate(name="join")([outline, x])
    x = blocks.conv_block(x, width, model, name="decoder")
    small = heads.logits(x, classes, name="logits_small")
    return heads.network(
        config,
        stack,
        logits=blocks.enlarge(small, stack, name="logits"),
        deep=heads.deep([context], classes, model),
        bottom=bottom,
    )


def pyramid(x: Tensor, width: int, model: schema.Model) -> Tensor:
    """Join features (B, H, W, C) of each pixel, of three distances and of the whole."""
    branches = [blocks.conv(x, width, model, name="near", size=1)]
    for rate in RATES:
        far = blocks.conv(x, width, model, name=f"far{rate}", dilation=rate)
        branches.append(far)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="whole_mean")(x)
    whole = layers.Conv2D(width, 1, activation="relu", name="whole")(whole)
    size = x.shape[1], x.shape[2]
    branches.append(layers.UpSampling2D(size, name="whole_up")(whole))
    joined = layers.Concatenate(name="pyramid_join")(branches)
    joined = blocks.conv(joined, width, model, name="pyramid", size=1)
    if model.dropout:
        joined = layers.SpatialDropout2D(model.dropout, name="pyramid_dropout")(joined)
    return joined
