"""The memory that a training step keeps of a sample until the gradients are computed.

It is the sum of what every operation of a network returns, within layers too. Compilers
keep less of some operations, and gradients need more of others.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from competition.net.frameworks import keras
from competition.net.networks import recomputed

Operation = Any
# Compilers fuse these with the operation before, and keep no output of theirs. By this
# count `unet` needs 7.4 GB where JAX took 5.6 on an H100 (see bench/README.md), and
# encoders need two thirds or more of what docs/training.md says.
_FUSED = {
    "activation",
    "converttotensor",
    "dropout",
    "getitem",
    "oneslike",
    "relu",
    "reshape",
    "spatialdropout2d",
    "spatialdropout3d",
}
# The values that JAX keeps for each value that these return.
_VALUES = {"gelu": 3, "silu": 3, "layernormalization": 3}
# These compute in float32 in any precision. Only batch normalisation with TensorFlow on
# a CPU does not, and needs less.
_SINGLE = {"batchnormalization", "groupnormalization", "layernormalization"}


def kept_bytes(network: keras.Model) -> int:
    """Return the bytes of a sample that are kept during the whole forward pass.

    Of a part that `model.remat` computes again, only its input and output are kept.
    """
    return sum(map(_bytes, _operations(network)))


def recomputed_bytes(network: keras.Model) -> int:
    """Return the bytes of a sample within the largest part that is computed again."""
    parts = (
        operation.part
        for operation in _operations(network)
        if isinstance(operation, recomputed.Recomputed)
    )
    return max(map(kept_bytes, parts), default=0)


def itemsize(dtype: str) -> int:
    """Return the bytes of a value."""
    # bfloat16 is a type of NumPy only where a backend has made it one.
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _operations(model: keras.Function) -> Iterator[Operation]:
    """Yield the operations of a model, with those inside a layer in its place."""
    for operation in model.operations:
        if inner := _within(operation):
            # What a layer receives is the output of the operation before.
            yield from (
                each
                for each in _operations(inner)
                if not isinstance(each, keras.layers.InputLayer)
            )
        else:
            yield operation


def _within(operation: Operation) -> keras.Function | None:
    """Return a layer that consists of others as a model of them; None for any other."""
    is_layer = isinstance(operation, keras.layers.Layer)
    if not is_layer or isinstance(operation, recomputed.Recomputed):
        return None
    if isinstance(operation, keras.Function):
        return operation
    if not any(operation._flatten_layers(include_self=False)):
        return None
    received = keras.tree.map_structure(
        lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), operation.input
    )
    return keras.Function(received, operation.call(received))


def _bytes(operation: Operation) -> int:
    outputs = keras.tree.flatten(operation.output)
    return sum(_tensor_bytes(operation, output) for output in outputs)


def _tensor_bytes(operation: Operation, output: keras.KerasTensor) -> int:
    kind = type(operation).__name__.lower()
    if kind == "activation" and operation.activation.__name__ in _VALUES:
        kind = operation.activation.__name__
    if kind in _FUSED:
        return 0
    size = math.prod(size or 1 for size in output.shape[1:])
    each = 4 if kind in _SINGLE else itemsize(output.dtype)
    kept = _VALUES.get(kind, 1) * size * each
    if kind == "dotproductattention":
        query, key = keras.tree.flatten(operation.input)[:2]
        # The weight of every key for every query of a head, also as float32.
        kept += math.prod(query.shape[1:3]) * key.shape[1] * (4 + each)
    return kept
