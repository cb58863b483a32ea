"""The outputs of a network: logits, and perhaps more while it is trained.

Without extras a network returns logits (B, H, W, C). With deep supervision or a
presence head it returns a dict: "logits"; "deep", a list of coarser logits, finest
first; "presence", logits (B, C). `named` makes a dict of either. The logits of patches
have their depth before the classes: (B, H, W, D, C) and (B, D, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from competition.core.experiment import configs, schema
from competition.net.networks import blocks

# About one pixel in a hundred belongs to a class.
PRIOR = 0.01
Tensor = Any
Outputs = dict[str, Any]


def logits(x: Tensor, classes: int, *, name: str = "logits") -> Tensor:
    """Return logits (B, H, W, classes) of features, float32 whatever the policy.

    Of volumes they are (B, H, W, D, classes).
    """
    # Organs are rare from the first step, so the network need not learn that they are.
    prior = keras.initializers.Constant(math.log(PRIOR / (1 - PRIOR)))
    return blocks.layer_for(x, "Conv")(
        classes, 1, dtype="float32", bias_initializer=prior, name=name
    )(x)


def deep(
    decoded: Sequence[Tensor], classes: int, model: schema.Model
) -> tuple[Tensor, ...]:
    """Return logits of coarser features, or nothing without deep supervision."""
    if not model.deep_supervision:
        return ()
    return tuple(
        logits(x, classes, name=f"deep{number}")
        for number, x in enumerate(decoded, start=1)
    )


def network_of_decoder(
    config: configs.Config, stack: Tensor, decoded: Sequence[Tensor], classes: int
) -> keras.Model:
    """Close a network with the features of its decoder, finest first, bottom last."""
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
    deep: Sequence[Tensor],
    bottom: Tensor,
) -> keras.Model:
    """Close a network; presence is read from its deepest features, the `bottom`."""
    outputs: Outputs = {"logits": logits}
    if deep:
        outputs["deep"] = list(deep)
    if config.model.presence:
        outputs["presence"] = _presence(bottom, classes=logits.shape[-1])
    returned = outputs if len(outputs) > 1 else logits
    return keras.Model(stack, returned, name=config.model.architecture)


def _presence(bottom: Tensor, *, classes: int) -> Tensor:
    # The maximum as well: the mean hardly moves for an organ of a few pixels.
    mean = ops.mean(bottom, axis=(1, 2))
    largest = ops.max(bottom, axis=(1, 2))
    joined = layers.Concatenate(name="presence_join")([mean, largest])
    return layers.Dense(classes, dtype="float32", name="presence")(joined)


def named(outputs: Tensor | Outputs) -> Outputs:
    """Return the outputs of a network as a dict that has at least "logits"."""
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def classes(network: keras.Model) -> int:
    """Return the number of classes that a network tells apart."""
    return int(named(network.output)["logits"].shape[-1])
