"""The outputs of a network: logits, and perhaps more while it is trained.

Without extras a network returns logits (B, H, W, C). With deep supervision or a
presence head it returns a dict: "logits"; "deep", a list of coarser logits, finest
first; "presence", logits (B, C). `named` makes a dict of either. The logits of patches
have their depth before the classes: (B, H, W, D, C) and (B, D, C).
"""

import math
from typing import Any

import keras
from keras import layers, ops

from competition.core.experiment import configs, schema
from competition.net.networks import blocks

Tensor = Any
Outputs = dict[str, Any]


def logits(x: Tensor, classes: int, *, name: str = "logits") -> Tensor:
    """Return logits (B, H, W, classes) of features, float32 whatever the policy.

    For volumes they are (B, H, W, D, classes).
    """
    # About one pixel in a hundred belongs to a class: the network need not learn that.
    prior = keras.initializers.Constant(math.log(0.01 / (1 - 0.01)))
    return blocks.layer_for(x, "Conv")(
        classes, 1, dtype="float32", bias_initializer=prior, name=name
    )(x)


def deep(decoded: list[Tensor], classes: int, model: schema.Model) -> list[Tensor]:
    """Return logits of coarser features; without deep supervision an empty list."""
    coarser = decoded if model.deep_supervision else []
    return [logits(x, classes, name=f"deep{i}") for i, x in enumerate(coarser, start=1)]


def network_of_decoder(
    config: configs.Config, stack: Tensor, decoded: list[Tensor], classes: int
) -> keras.Model:
    """Build a network on the features of its decoder, finest first, bottom last."""
    return network(
        config,
        stack,
        logits=logits(decoded[0], classes),
        deep=deep(decoded[1:-1], classes, config.model),
        bottom=decoded[-1],
    )


def network(
    config: configs.Config,
    stack: Tensor,
    *,
    logits: Tensor,
    deep: list[Tensor],
    bottom: Tensor,
) -> keras.Model:
    """Build a network from its outputs; presence is computed from `bottom` features.

    With `position` it is computed from the slice's place in its scan as well.
    """
    outputs: Outputs = {"logits": logits}
    if deep:
        outputs["deep"] = deep
    if config.model.presence:
        # The maximum as well: the mean hardly moves for an organ of a few pixels.
        both = [ops.mean(bottom, axis=(1, 2)), ops.max(bottom, axis=(1, 2))]
        if config.position:
            both.append(ops.cast(stack[:, 0, 0, -1:], bottom.dtype))
        joined = layers.Concatenate(name="presence_join")(both)
        presence = layers.Dense(logits.shape[-1], dtype="float32", name="presence")
        outputs["presence"] = presence(joined)
    returned = outputs if len(outputs) > 1 else logits
    return keras.Model(stack, returned, name=config.model.architecture)


def named(outputs: Tensor | Outputs) -> Outputs:
    """Return the outputs of a network as a dict that has at least "logits"."""
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def probabilities(logits: Tensor, *, softmax: bool) -> Tensor:
    """Return the probability of each class, from logits (..., classes).

    Each class is decided on its own or, with `softmax`, a pixel has one class or none:
    the logit of no class is 0, and the probabilities add up to 1 with it.
    """
    if not softmax:
        return ops.sigmoid(logits)
    return ops.softmax(_with_background(logits), axis=-1)[..., :-1]


def crossentropy(truth: Tensor, logits: Tensor, *, softmax: bool) -> Tensor:
    """Return the cross-entropy (..., classes) or, with `softmax`, (..., 1)."""
    if not softmax:
        # Keras' own clips probabilities on JAX, so that large errors have no gradient.
        return ops.softplus(logits) - truth * logits
    # Truth that was shrunk may have two classes in a pixel.
    truth = truth / ops.maximum(ops.sum(truth, axis=-1, keepdims=True), 1.0)
    every = ops.logsumexp(_with_background(logits), axis=-1, keepdims=True)
    return every - ops.sum(truth * logits, axis=-1, keepdims=True)


def _with_background(logits: Tensor) -> Tensor:
    return ops.concatenate([logits, ops.zeros_like(logits[..., :1])], axis=-1)


def classes(network: keras.Model) -> int:
    """Return the number of classes that a network tells apart."""
    return int(named(network.output)["logits"].shape[-1])
