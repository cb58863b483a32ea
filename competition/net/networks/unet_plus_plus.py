"""U-Net++ (Zhou et al., 2018): the skips are decoders themselves, nested and dense."""

import keras
from keras import layers

from competition.core.experiment import configs, schema
from competition.net.networks import blocks, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build a U-Net++: stack (H, W, K) to logits (H, W, classes).

    Deep supervision is on the outputs of the shallower decoders, all of the full size.
    """
    model = config.model
    stack = blocks.stack_input(config)
    skips, bottom = blocks.encode(stack, model)
    # grid[level] holds all features of that size, those of the encoder first.
    grid = [[x] for x in (*skips, bottom)]
    for column in range(1, len(grid)):
        for level in range(len(grid) - column):
            joined = _join(grid[level], grid[level + 1][-1], model, level=level)
            name = f"node{level}_{column}"
            block = blocks.conv_block(joined, model.widths[level], model, name=name)
            grid[level].append(block)
    shallower = grid[0][-2:0:-1]
    return heads.network(
        config,
        stack,
        logits=heads.logits(grid[0][-1], classes),
        deep=heads.deep(shallower, classes, model),
        bottom=bottom,
    )


def _join(
    row: list[blocks.Tensor],
    below: blocks.Tensor,
    model: schema.Model,
    *,
    level: int,
) -> blocks.Tensor:
    """Join all features of a level with the enlarged ones from `below`."""
    name = f"up{level}_{len(row)}"
    up = blocks.double(below, row[0], width=model.widths[level], name=name)
    return layers.Concatenate(name=f"join{level}_{len(row)}")([*row, up])
