"""U-Net: an encoder, a decoder, and a skip between them at every size."""

import keras

from competition.core.experiment import configs
from competition.net.networks import blocks, encoders, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a U-Net: stack (H, W, K) to logits (H, W, classes)."""
    stack = blocks.stack_input(config)
    skips, bottom = encoders.encode(stack, config)
    decoded = [bottom]
    for level, skip in reversed(list(enumerate(skips))):
        decoded.insert(0, blocks.decode(decoded[0], skip, config.model, level=level))
    return heads.network(
        config,
        stack,
        logits=heads.logits(decoded[0], classes),
        deep=heads.deep(decoded[1:-1], classes, config.model),
        bottom=bottom,
    )
