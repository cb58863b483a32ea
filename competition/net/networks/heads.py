"""What a network gives back: logits, and while training perhaps more.

Without extras a network returns logits (B, H, W, C). With deep supervision or a
presence head it returns a dict: "logits"; "deep", a list of coarser logits, finest
first; "presence", logits (B, C). `named` makes a dict of either. Those of a patch have
its depth before the classes: (B, H, W, D, C) and (B, D, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from competition.core.experiment import configs, schema

# Of a hundred pixels about one belongs to a class.
PRIOR = 0.01
Tensor = Any
Outputs = dict[str, Any]


def logits(x: Tensor, classes: int, *, name: str = "logits") -> Tensor:
    """Logits (B, H, W, classes), float32 whatever the policy."""
    return layers.Conv2D(
        classes, 1, dtype="float32", bias_initializer=prior(), name=name
    )(x)


def prior() -> keras.initializers.Initializer:
    """What logits begin with: organs are rare, and need not be learned to be."""
    return keras.initializers.Constant(math.log(PRIOR / (1 - PRIOR)))


def deep(
    decoded: Sequence[Tensor], classes: int, model: schema.Model
) -> tuple[Tensor, ...]:
    """Logits of features that are not the last; none without deep supervision."""
    if not model.deep_supervision:
        return ()
    return tuple(
        logits(x, classes, name=f"deep{number}")
        for number, x in enumerate(decoded, start=1)
    )


def network(
    config: configs.Config,
    stack: Tensor,
    *,
    logits: Tensor,
    deep: Sequence[Tensor],
    bottom: Tensor,
) -> keras.Model:
    """Close a network; `bottom`, its deepest features, says what is in the slice."""
    outputs: Outputs = {"logits": logits}
    if deep:
        outputs["deep"] = list(deep)
    if config.model.presence:
        outputs["presence"] = _presence(bottom, classes=logits.shape[-1])
    bare = logits if len(outputs) == 1 else outputs
    return keras.Model(stack, bare, name=config.model.architecture)


def _presence(bottom: Tensor, *, classes: int) -> Tensor:
    # The largest value as well: the mean hardly moves for an organ of a few pixels.
    mean = ops.mean(bottom, axis=(1, 2))
    largest = ops.max(bottom, axis=(1, 2))
    joined = layers.Concatenate(name="presence_join")([mean, largest])
    return layers.Dense(classes, dtype="float32", name="presence")(joined)


def named(outputs: Tensor | Outputs) -> Outputs:
    """What a network returned, as a dict that has at least "logits"."""
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def classes(network: keras.Model) -> int:
    """How many classes a network tells apart."""
    return int(named(network.output)["logits"].shape[-1])
