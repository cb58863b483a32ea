"""DeepLabV3+ (Chen et al., 2018): dilated convolutions with a wide view at a 16th."""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, encoders, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a DeepLabV3+: stack (H, W, K) to logits (H, W, classes).

    The deepest features have a sixteenth of the input's size with five widths, or over
    an encoder. The network needs at least two widths.
    """
    model = config.model
    blocks.check_levels(model, 2, reason="outlines are taken above the deepest level")
    stack = blocks.stack_input(config)
    *skips, bottom = encoders.encode(stack, config, halvings=4)
    # The features that give the outlines have a fourth of the input's size.
    skip = skips[min(2, len(skips) - 1)]
    width = model.widths[-1] // 2 or 1
    context = pyramid(bottom, width, model)
    x = blocks.enlarge(context, skip, name="up")
    outline = blocks.conv(skip, width // 4 or 1, model, name="outline", size=1)
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


def pyramid(x: blocks.Tensor, width: int, model: schema.Model) -> blocks.Tensor:
    """Join features (B, H, W, C) of each pixel, of three distances and of the whole."""
    branches = [blocks.conv(x, width, model, name="near", size=1)]
    # Half the paper's dilation rates: these images are smaller, and a wider convolution
    # would see mostly padding.
    for rate in (3, 6, 9):
        far = blocks.conv(x, width, model, name=f"far{rate}", dilation=rate)
        branches.append(far)
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="whole_mean")(x)
    whole = layers.Conv2D(width, 1, activation="relu", name="whole")(whole)
    branches.append(layers.UpSampling2D(x.shape[1:3], name="whole_up")(whole))
    joined = layers.Concatenate(name="pyramid_join")(branches)
    joined = blocks.conv(joined, width, model, name="pyramid", size=1)
    if model.dropout:
        joined = layers.SpatialDropout2D(model.dropout, name="pyramid_dropout")(joined)
    return joined
