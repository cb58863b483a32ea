"""U-Net: an encoder, a decoder, and a skip between them at every size."""

import keras

from competition.core import config
from competition.net import blocks


def build(config: config.Config, classes: int) -> keras.Model:
    """Build a U-Net: stack (H, W, K) to logits (H, W, classes)."""
    stack = blocks.stack_input(config)
    skips, x = blocks.encode(stack, config.model)
    for level, skip in reversed(list(enumerate(skips))):
        x = blocks.decode(x, skip, config.model, level=level)
    return keras.Model(stack, blocks.head(x, classes), name="unet")
