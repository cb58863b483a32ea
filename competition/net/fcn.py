"""FCN-8s (Long et al., 2015): the scores of the three coarsest sizes are added up."""

import keras
from keras import layers

from competition.core import config
from competition.net import blocks, heads


def build(config: config.Config, classes: int) -> keras.Model:
    """Build an FCN-8s: stack (H, W, K) to logits (H, W, classes).

    With the paper's six widths the finest score has an eighth of the input's size,
    with five a fourth; three widths are the fewest.
    """
    widths = config.model.widths
    if len(widths) < 3:
        raise ValueError(
            "`model.widths` of an fcn needs at least 3 levels, since it adds up the "
            f"scores of three sizes. Received: {list(widths)}. Add a width."
        )
    stack = blocks.stack_input(config)
    skips, bottom = blocks.encode(stack, config.model)
    scores = [heads.logits(bottom, classes, name="score_bottom")]
    for level in (len(skips) - 1, len(skips) - 2):
        scores.insert(0, _fuse(scores[0], skips[level], level=level))
    return heads.network(
        config,
        stack,
        logits=blocks.enlarge(scores[0], stack, name="logits"),
        # Scores are logits already.
        deep=scores[1:] if config.model.deep_supervision else (),
        bottom=bottom,
    )


def _fuse(score: blocks.Tensor, skip: blocks.Tensor, *, level: int) -> blocks.Tensor:
    up = layers.Conv2DTranspose(
        score.shape[-1],
        4,
        strides=2,
        padding="same",
        use_bias=False,
        dtype="float32",
        name=f"up{level}",
    )(score)
    up = blocks.crop(up, skip, name=f"up{level}_crop")
    own = heads.logits(skip, score.shape[-1], name=f"score{level}")
    return layers.Add(dtype="float32", name=f"fuse{level}")([own, up])
