"""FCN-8s (Long et al., 2015): the scores of the three coarsest sizes are added."""

import keras
from keras import layers

from competition.core.experiment import configs
from competition.net.networks import blocks, heads


def build(config: configs.Config, classes: int) -> keras.Model:
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
    scores = [_score(bottom, classes, name="score_bottom")]
    # Only the finest scores begin with the prior, or the sum would have it three times.
    for level, score in ((len(skips) - 1, _score), (len(skips) - 2, heads.logits)):
        finer = score(skips[level], classes, name=f"score{level}")
        scores.insert(0, _add(scores[0], finer, level=level))
    return heads.network(
        config,
        stack,
        logits=blocks.enlarge(scores[0], stack, name="logits"),
        # Scores are logits already.
        deep=scores[1:] if config.model.deep_supervision else (),
        bottom=bottom,
    )


def _score(x: blocks.Tensor, classes: int, *, name: str) -> blocks.Tensor:
    return layers.Conv2D(classes, 1, dtype="float32", name=name)(x)


def _add(score: blocks.Tensor, finer: blocks.Tensor, *, level: int) -> blocks.Tensor:
    """Enlarge scores to the size of the finer ones, and add these."""
    up = layers.Conv2DTranspose(
        score.shape[-1],
        4,
        strides=2,
        padding="same",
        use_bias=False,
        dtype="float32",
        name=f"up{level}",
    )(score)
    up = blocks.crop(up, finer, name=f"up{level}_crop")
    return layers.Add(dtype="float32", name=f"fuse{level}")([finer, up])
