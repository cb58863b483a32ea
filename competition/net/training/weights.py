"""The values of Keras variables: copied, assigned, and swapped for a while."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

Arrays = list[np.ndarray]


def to_arrays(variables: Any) -> Arrays:
    """Return copies of the values of variables."""
    return [np.array(keras.ops.convert_to_numpy(each)) for each in variables]


def assign(variables: Any, arrays: Arrays) -> None:
    """Give variables the values of arrays."""
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def swapped(variables: Any, arrays: Arrays) -> Iterator[None]:
    """Give variables other values inside the `with` block, then their own again."""
    own = to_arrays(variables)
    try:
        assign(variables, arrays)
        yield
    finally:
        assign(variables, own)


@contextlib.contextmanager
def moving_average(model: keras.Model) -> Iterator[None]:
    """Give a model the average of its weights, if its optimizer keeps one."""
    # An optimizer that scales the loss wraps the one that keeps the average.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    averages = to_arrays(optimizer._model_variables_moving_average)
    with swapped(model.trainable_variables, averages):
        yield
