"""The compiled forward pass, one for all networks of the same graph.

Compiling takes minutes, and the folds of a run differ only in their weights.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from competition.core import console
from competition.core.experiment import configs
from competition.net import devices
from competition.net.networks import build, depth, heads

Tensor = Any
Outputs = dict[str, Tensor]
# From the weights of a network and a stack to the outputs.
Compiled = Callable[[Sequence[keras.Variable], Tensor], Outputs]
# The presence in each slice of a patch, (B, D, C), has three axes.
PATCH_PRESENCE = 3


class ForwardPasses:
    """The forward passes compiled so far; each serves all networks of its graph."""

    def __init__(self) -> None:
        self._compiled: dict[tuple, Compiled] = {}

    def outputs(
        self,
        network: keras.Model,
        stack: Tensor,
        config: configs.Config,
        *,
        exact: bool = False,
    ) -> Outputs:
        """Return the "probability" float32 (B, H, W, C) of a normalised stack.

        A network with presence heads returns "presence" (B, C) as well. Patches of D
        slices return "probability" (B, h, w, D * C) and no presence, since a patch
        shows only a part of a slice. `exact` computes in float32 in any case. The stack
        may have another height and width than those of training.
        """
        setting, own = config.training.xla, network.compute_dtype
        dtype = "float32" if exact else own
        about = tuple(stack.shape[1:]), heads.classes(network)
        key = config.model, config.position, *about, setting, dtype
        if key not in self._compiled:
            fits = tuple(network.input_shape[1:]) == tuple(stack.shape[1:])
            graph = network
            if dtype != own or not fits:
                graph = _another(network, config, dtype, tuple(stack.shape[1:3]))
            self._compiled[key] = _choose(graph, config, network, stack)
        return self._compiled[key](network.weights, stack)


def _another(
    network: keras.Model, config: configs.Config, dtype: str, size: tuple[int, int]
) -> keras.Model:
    """Build a network anew in another type or size; its own weights are never used."""
    with devices.policy(dtype, devices.find()):
        return build.build(config, heads.classes(network), size=size)


def _same_order(graph: keras.Model, network: keras.Model) -> list[keras.Variable]:
    """Return the weights of `graph` in the order of those of `network`.

    The orders differ, since Keras sorts layers by their distance from the outputs, and
    some image sizes need additional layers that crop. Layers match by their names.
    """
    own = {
        id(theirs): ours
        for layer in network.layers
        if layer.weights
        for theirs, ours in zip(
            layer.weights, graph.get_layer(layer.name).weights, strict=True
        )
    }
    return [own[id(each)] for each in network.weights]


def _choose(
    graph: keras.Model, config: configs.Config, network: keras.Model, stack: Tensor
) -> Compiled:
    """Compile by `training.xla`; if "auto" chooses XLA and it fails, do without."""
    setting, softmax = config.training.xla, config.model.softmax
    xla, own = devices.xla(setting, devices.find()), _same_order(graph, network)
    compiled = _compile(graph, own, xla=xla, softmax=softmax)
    if xla and setting == "auto" and keras.backend.backend() == "tensorflow":
        try:
            compiled(network.weights, stack)
        except Exception as error:
            if devices.is_out_of_memory(error):
                raise
            console.warn(
                f"XLA cannot compile the network, so it predicts without: {error} Set "
                "training.xla=false to leave out this trial."
            )
            return _compile(graph, own, xla=False, softmax=softmax)
    return compiled


def _compile(
    graph: keras.Model, own: Sequence[keras.Variable], *, xla: bool, softmax: bool
) -> Compiled:
    """Compile a graph that reads other weights in the place of its `own`."""

    def outputs(stack: Tensor) -> Outputs:
        return _probabilities(graph(stack, training=False), softmax=softmax)

    if keras.backend.backend() == "tensorflow":
        from competition.net import tensorflow_backend

        return tensorflow_backend.WithWeights(outputs, own, xla=xla)
    import jax

    def stateless(values: Sequence[Tensor], stack: Tensor) -> Outputs:
        with keras.StatelessScope(list(zip(own, values, strict=True))):
            return outputs(stack)

    compiled = jax.jit(stateless) if xla else stateless
    return lambda weights, stack: compiled([each.value for each in weights], stack)


def _probabilities(outputs: Tensor | Outputs, *, softmax: bool) -> Outputs:
    named = heads.named(outputs)
    logits = ops.cast(named["logits"], "float32")
    probability = heads.probabilities(logits, softmax=softmax)
    # Other outputs of a network are not computed once this is compiled.
    returned = {"probability": depth.as_channels(probability)}
    presence = named.get("presence")
    if presence is not None and len(presence.shape) != PATCH_PRESENCE:
        returned["presence"] = ops.sigmoid(ops.cast(presence, "float32"))
    return returned
