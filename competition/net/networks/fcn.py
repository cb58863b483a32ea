"""FCN-8s (Long et al., 2015): the scores of the three coarsest sizes are added."""

import keras
from keras import layers

from competition.core.experiment import configs
from competition.net.networks import blocks, heads


def build(config: configs.Config, classes: int) -> keras.Model:
    """Build an FCN-8s: stack (H, W, K) to logits (H, W, classes).

    With the paper's six widths the finest score has an eighth of the input's size,
    with five a fourth. The network needs at least three widths.
    """
    blocks.check_levels(config.model, 3, reason="it adds up the scores of three sizes")
    stack = blocks.stack_input(config)
    features = blocks.encode(stack, config.model)
    scores = [_score(features[-1], classes, name="score_bottom")]
    levels = len(features)
    # Only the finest scores begin with the prior, or the sum would have it three times.
    for level, score in ((levels - 2, _score), (levels - 3, heads.logits)):
        finer = score(features[level], classes, name=f"score{level}")
        scores.insert(0, _add(scores[0], finer, level=level))
    return heads.network(
        config,
        stack,
        logits=blocks.enlarge(scores[0], stack, name="logits"),
        # Scores are logits already.
        deep=scores[1:] if config.model.deep_supervision else [],
        bottom=features[-1],
    )


def _score(x: blocks.Tensor, classes: int, *, name: str) -> blocks.Tensor:
    return layers.Conv2D(classes, 1, dtype="float32", name=name)(x)


def _add(score: blocks.Tensor, finer: blocks.Tensor, *, level: int) -> blocks.Tensor:
    """Enlarge scores to the size of the finer ones, and add these."""
    classes = score.shape[-1]
    up = layers.Conv2DTranspose(
        classes, 4, 2, "same", use_bias=False, dtype="float32", name=f"up{level}"
    )(score)
    up = blocks.crop(up, finer, name=f"up{level}_crop")
    return layers.Add(dtype="float32", name=f"fuse{level}")([finer, up])
