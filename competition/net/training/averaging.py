"""Other weights in a network for a while: a moving average, or the mean of epochs."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from competition.net.training import checkpoint


def inner(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Return the optimizer itself where one that scales the loss wraps it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextlib.contextmanager
def moving_average(network: keras.Model, optimizer: keras.Optimizer) -> Iterator[None]:
    """Give a network the optimizer's average of its weights, if it keeps one."""
    optimizer = inner(optimizer)
    if not optimizer.use_ema:
        yield
        return
    averages = checkpoint.to_arrays(optimizer._model_variables_moving_average)
    with swapped(network.trainable_variables, averages):
        yield


@contextlib.contextmanager
def swapped(variables: Any, arrays: checkpoint.Arrays) -> Iterator[None]:
    """Give variables other values, and their own back at the end."""
    own = checkpoint.to_arrays(variables)
    try:
        checkpoint.assign(variables, arrays)
        yield
    finally:
        checkpoint.assign(variables, own)


def add_to_mean(
    mean: checkpoint.Arrays, weights: checkpoint.Arrays, count: int
) -> checkpoint.Arrays:
    """Return the mean of `count` epochs' weights from that of the epochs before."""
    return [
        (before + (now - before) / count).astype(before.dtype)
        for before, now in zip(mean or weights, weights, strict=True)
    ]
