"""The variables of a stored state, assigned to a model that goes on from them."""

from typing import Any

import numpy as np

from competition.net.training import checkpoint, step, weights


def restore(
    stored: checkpoint.Checkpoint,
    now: checkpoint.TrainingState,
    model: step.TrainingStep,
) -> None:
    """Assign the stored variables to a model, whose optimizer must be built.

    The optimizer begins afresh if the encoder is frozen in only one of two states: the
    stored one and `now`, the state to go on with. If `now` has more or fewer batches in
    an epoch, the optimizer's count of batches changes in the same ratio.
    """
    if not stored.network:
        return
    _assign(model.network.variables, stored.network)
    if stored.state.resting != now.resting:
        return
    before, after = stored.state.steps, now.steps
    if not (before and after):
        before, after = 2**stored.state.halvings, 2**now.halvings
    variables = model.optimizer.variables
    accumulates = any(_accumulates(each.path) for each in variables)
    accumulated = any(map(_accumulates, stored.paths))
    is_scaled = any(_scales(each.path) for each in variables)
    was_scaled = any(map(_scales, stored.paths))

    def goes_on(path: str) -> bool:
        # Before the first halving, and on mirrored GPUs, there may be no accumulators
        # of gradients, and only float16 scales the loss. What one of the two optimizers
        # lacks begins afresh.
        if _accumulates(path):
            return before == after and accumulates == accumulated
        return is_scaled == was_scaled or not _scales(path)

    values = [
        # An optimizer that scales the loss has a count, and so has the one inside it.
        _scaled(value, after, before) if path.endswith("/iteration") else value
        for path, value in zip(stored.paths, stored.optimizer, strict=True)
        if goes_on(path)
    ]
    _assign([each for each in variables if goes_on(each.path)], values)


def _assign(variables: Any, values: weights.Arrays) -> None:
    expected = [tuple(variable.shape) for variable in variables]
    received = [value.shape for value in values]
    if expected != received:
        raise ValueError(
            f"{checkpoint.LATEST}: the state is of another network: expected "
            f"{len(expected)} variables, received {len(received)}, or their shapes "
            "differ. "
            "Train under another name, or delete the folder to begin again."
        )
    weights.assign(variables, values)


def _scaled(count: np.ndarray, after: int, before: int) -> np.ndarray:
    """Return a count times `after` / `before`, computed in Python's long integers."""
    return np.asarray(int(count) * after // before, count.dtype)


def _accumulates(path: str) -> bool:
    return path.endswith("gradient_accumulator")


def _scales(path: str) -> bool:
    return path.startswith("loss_scale_optimizer")
