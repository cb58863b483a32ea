"""U-Net: an encoder, a decoder, and a skip between them at every size."""

import keras

from competition.core.experiment import configs
from competition.net.networks import blocks, encoders, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a U-Net: stack (H, W, K) to logits (H, W, classes)."""
    stack = blocks.stack_input(config)
    skips, bottom = encoders.encode(stack, config)
    decoded = blocks.decode(skips, bottom, config.model)
    return heads.network_of_decoder(config, stack, decoded, classes)
