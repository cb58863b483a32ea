"""Feature Pyramid Network with a head for masks (Kirillov et al., 2019)."""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, encoders, heads

# The pyramid has features of this many sizes, the coarsest; over an encoder these are a
# fourth to a 32nd of the input's size.
SIZES = 4


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a Feature Pyramid Network: stack (H, W, K) to logits (H, W, classes).

    The head brings each size of the pyramid to the finest one and adds them.
    """
    model = config.model
    stack = blocks.stack_input(config)
    *skips, bottom = encoders.encode(stack, config)[-SIZES:]
    width = model.widths[-1] // 2 or 1
    top = blocks.conv(bottom, width, model, name=f"lateral{len(skips)}", size=1)
    features = pyramid(skips, top, model)
    levels = [_at_finest(features, level, model) for level in range(len(features))]
    x = layers.Add(name="head_add")(levels) if len(levels) > 1 else levels[0]
    return network_of_pyramid(config, stack, x, features, bottom, classes)


def pyramid(
    skips: list[blocks.Tensor], top: blocks.Tensor, model: schema.Model
) -> list[blocks.Tensor]:
    """Add coarser features to each skip; return all, finest first, as wide as `top`."""
    features, x, width = [top], top, top.shape[-1]
    for level, skip in reversed(list(enumerate(skips))):
        lateral = blocks.conv(skip, width, model, name=f"lateral{level}", size=1)
        up = blocks.enlarge(x, lateral, name=f"up{level}")
        x = layers.Add(name=f"merge{level}")([lateral, up])
        features.insert(0, blocks.conv(x, width, model, name=f"pyramid{level}"))
    return features


def network_of_pyramid(
    config: configs.Config,
    stack: blocks.Tensor,
    x: blocks.Tensor,
    features: list[blocks.Tensor],
    bottom: blocks.Tensor,
    classes: int,
) -> keras.Model:
    """Build a network whose masks are made from `x`, the merged pyramid.

    Deep supervision is on the coarser `features` of the pyramid.
    """
    if config.model.dropout:
        x = layers.SpatialDropout2D(config.model.dropout, name="head_dropout")(x)
    small = heads.logits(x, classes, name="logits_small")
    return heads.network(
        config,
        stack,
        logits=blocks.enlarge(small, stack, name="logits"),
        deep=heads.deep(features[1:], classes, config.model),
        bottom=bottom,
    )


def _at_finest(
    features: list[blocks.Tensor], level: int, model: schema.Model
) -> blocks.Tensor:
    """Bring a level to the finest size, a convolution before each doubling."""
    x = features[level]
    width = x.shape[-1] // 2 or 1
    for finer in range(max(0, level - 1), -1, -1):
        x = blocks.conv(x, width, model, name=f"head{level}_{finer}")
        x = blocks.enlarge(x, features[finer], name=f"head{level}_{finer}_up")
    return x
