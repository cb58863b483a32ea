"""Attention U-Net (Oktay et al., 2018): coarse features gate what the skips let by."""

import keras
from keras import layers

from competition.core import config
from competition.net import blocks


def build(config: config.Config, classes: int) -> keras.Model:
    """Build an Attention U-Net: stack (H, W, K) to logits (H, W, classes).

    As in the paper the finest skip has no gate, so three widths are the fewest.
    """
    widths = config.model.widths
    if len(widths) < 3:
        raise ValueError(
            "`model.widths` of an attention_unet needs at least 3 levels, since the "
            f"finest skip has no gate. Received: {list(widths)}. "
            'Add a width or use architecture = "unet".'
        )
    stack = blocks.stack_input(config)
    skips, x = blocks.encode(stack, config.model)
    for level, skip in reversed(list(enumerate(skips))):
        gated = gate(skip, x, level=level) if level else skip
        x = blocks.decode(x, gated, config.model, level=level)
    return keras.Model(stack, blocks.head(x, classes), name="attention_unet")


def gate(skip: blocks.Tensor, coarse: blocks.Tensor, *, level: int) -> blocks.Tensor:
    """Multiply a skip (B, H, W, C) by a map in 0..1 that `coarse` helps to decide.

    `coarse` has half the skip's size, rounded up. Layer `gate{level}_psi` is the map
    before it is brought to the skip's size.
    """
    name = f"gate{level}"
    width = max(1, skip.shape[-1] // 2)
    theta = layers.Conv2D(
        width, 2, strides=2, padding="same", use_bias=False, name=f"{name}_theta"
    )(skip)
    phi = layers.Conv2D(width, 1, name=f"{name}_phi")(coarse)
    joined = layers.ReLU(name=f"{name}_relu")(
        layers.Add(name=f"{name}_add")([theta, phi])
    )
    alpha = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_psi")(joined)
    alpha = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(alpha)
    alpha = blocks.crop(alpha, skip, name=f"{name}_crop")
    return layers.Multiply(name=f"{name}_gated")([skip, alpha])
