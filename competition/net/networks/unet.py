"""U-Net, and two that change its skips.

In an Attention U-Net (Oktay et al., 2018) coarse features gate the skips. In a U-Net++
(Zhou et al., 2018) the skips are decoders themselves, nested and dense.
"""

import keras
from keras import layers

from competition.core.experiment import configs
from competition.net.networks import blocks, encoders, heads


def build(
    config: configs.Config, classes: int, *, gate: blocks.Gate | None = None
) -> keras.Model:
    """Build a U-Net: stack (H, W, K) to logits (H, W, classes)."""
    stack = blocks.stack_input(config)
    features = encoders.encode(stack, config)
    decoded = blocks.decode(features, config.model, gate=gate)
    return heads.network_of_decoder(config, stack, decoded, classes)


def build_attention(config: configs.Config, classes: int) -> keras.Model:
    """Build an Attention U-Net: stack (H, W, K) to logits (H, W, classes)."""
    blocks.check_levels(config.model, 3, reason="the finest skip has no gate")
    return build(config, classes, gate=attention_gate)


def attention_gate(
    skip: blocks.Tensor, coarse: blocks.Tensor, *, name: str
) -> blocks.Tensor:
    """Multiply a skip (B, H, W, C) by a map in 0..1 that depends on `coarse` too.

    `coarse` has half the skip's size, rounded up.
    """
    width = max(1, skip.shape[-1] // 2)
    theta = layers.Conv2D(
        width, 2, strides=2, padding="same", use_bias=False, name=f"{name}_theta"
    )(skip)
    phi = layers.Conv2D(width, 1, name=f"{name}_phi")(coarse)
    joined = layers.Add(name=f"{name}_add")([theta, phi])
    joined = layers.ReLU(name=f"{name}_relu")(joined)
    alpha = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_psi")(joined)
    alpha = blocks.enlarge(alpha, skip, name=f"{name}_up")
    return layers.Multiply(name=f"{name}_gated")([skip, alpha])


def attention_maps(network: keras.Model) -> keras.Model:
    """Return a model of the gates: stack to {"gate1": (H / 2, W / 2, 1), ...}.

    A map has its skip's size; 1 lets a pixel through, 0 holds it back.
    """
    gated = [layer for layer in network.layers if layer.name.endswith("_gated")]
    if not gated:
        raise ValueError(
            f"Attention maps need a network that has gates. Received: {network.name}. "
            'Build one with architecture = "attention_unet".'
        )
    maps = {layer.name.removesuffix("_gated"): layer.input[1] for layer in gated}
    return keras.Model(network.input, maps, name="gates")


def build_plus_plus(config: configs.Config, classes: int) -> keras.Model:
    """Build a U-Net++: stack (H, W, K) to logits (H, W, classes).

    Deep supervision is on the outputs of the shallower decoders, all of the full size.
    """
    model = config.model
    stack = blocks.stack_input(config)
    # grid[level] holds all features of that size, those of the encoder first.
    grid = [[x] for x in encoders.encode(stack, config)]
    for column in range(1, len(grid)):
        for level in range(len(grid) - column):
            width, row = model.widths[level], grid[level]
            end = f"{level}_{column}"
            below = grid[level + 1][-1]
            up = blocks.double(below, row[0], width=width, name=f"up{end}")
            joined = layers.Concatenate(name=f"join{end}")([*row, up])
            row.append(blocks.conv_block(joined, width, model, name=f"node{end}"))
    return heads.network(
        config,
        stack,
        logits=heads.logits(grid[0][-1], classes),
        deep=heads.deep(grid[0][-2:0:-1], classes, model),
        bottom=grid[-1][0],
    )
