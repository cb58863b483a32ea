"""Attention U-Net (Oktay et al., 2018): coarse features gate the skips."""

import keras
from keras import layers

from competition.core.experiment import configs
from competition.net.networks import blocks, encoders, heads


def build(config: configs.Config, classes: int) -> keras.Model:
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
    skips, bottom = encoders.encode(stack, config)
    decoded = blocks.decode(skips, bottom, config.model, gate=gate)
    return heads.network_of_decoder(config, stack, decoded, classes)


def gate(skip: blocks.Tensor, coarse: blocks.Tensor, *, level: int) -> blocks.Tensor:
    """Multiply a skip (B, H, W, C) by a map in 0..1 that depends on `coarse` too.

    `coarse` has half the skip's size, rounded up. The finest skip, level 0, is returned
    as it is.
    """
    if level == 0:
        return skip
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
    alpha = blocks.enlarge(alpha, skip, name=f"{name}_up")
    return layers.Multiply(name=f"{name}_gated")([skip, alpha])


def gates(network: keras.Model) -> keras.Model:
    """Return a model of the gate maps: stack to {"gate1": (H / 2, W / 2, 1), ...}.

    A map has its skip's size; 1 lets a pixel through, 0 holds it back.
    """
    gated = [layer for layer in network.layers if layer.name.endswith("_gated")]
    if not gated:
        raise ValueError(
            f"Gate maps need a network that has gates. Received: {network.name}. "
            'Build one with architecture = "attention_unet".'
        )
    maps = {layer.name.removesuffix("_gated"): layer.input[1] for layer in gated}
    return keras.Model(network.input, maps, name="gates")
