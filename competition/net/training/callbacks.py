"""What happens at the ends of steps and epochs while `fit` owns the loop."""

import contextlib
import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from competition.core.experiment import configs, history, schema
from competition.machine import deadline
from competition.net.training import checkpoint

# Between two words about an epoch that is still running.
PULSE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What a fold calls: a score of the network, and who is told of what.

    `score` may be None, where nothing was there to score. `ids` names the slices of a
    batch, counted from the first of epoch 0, if the config of the run is its own.
    """

    score: Callable[[keras.Model], float | None]
    progress: Callable[[history.Epoch], None] = lambda row: None
    pulse: Callable[[str], None] = lambda text: None
    sample: Callable[[keras.Model, int], None] = lambda network, epoch: None
    ids: Callable[[configs.Config, int], list[str]] = lambda config, batch: []


class FiniteGuard(keras.callbacks.Callback):
    """Stops at the first loss or weights not finite and remembers where that was."""

    # `fit` need not wait for the device before it prepares the next step; JAX reuses
    # the memory of a loss that has not been looked at.
    async_safe = keras.backend.backend() != "jax"

    def __init__(self) -> None:
        super().__init__()
        self.step: int | None = None
        self.epoch = self.last = 0
        self.loss = math.nan

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self.epoch, self.last = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss, the mean of the epoch so far."""
        self.loss = logs["loss"]
        self.last = max(self.last, batch)
        if not math.isfinite(self.loss):
            # A later batch may be looked at first.
            self.step = batch if self.step is None else min(batch, self.step)
            # Not raised: on JAX an exception inside `fit` can be hidden.
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the weights: the last step's show in no loss of the epoch."""
        weights = self.model.network.weights
        if self.step is None and not all(map(_is_finite, weights)):
            self.step = self.last
            self.model.stop_training = True


class BudgetWatch(keras.callbacks.Callback):
    """Says how far an epoch is once a minute, and stops when the time is over."""

    def __init__(
        self,
        guard: FiniteGuard,
        limit: deadline.Deadline | None,
        *,
        pulse: Callable[[str], None],
        clock: deadline.Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.guard, self.limit, self.pulse, self.clock = guard, limit, pulse, clock
        self.is_over = False
        self.began = self.said = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.began = self.said = self.clock()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Stop, speak or do nothing."""
        if self.limit and not self.limit.allows(0):
            self.is_over = self.model.stop_training = True
        now = self.clock()
        if now - self.said >= PULSE_SECONDS and batch:
            self.said = now
            steps = self.params["steps"]
            left = deadline.show((now - self.began) / batch * (steps - batch))
            self.pulse(
                f"epoch {self.guard.epoch + 1}  step {batch}/{steps}  "
                f"loss {self.guard.loss:.4f}  epoch ends in {left}"
            )


class StateKeeper(keras.callbacks.Callback):
    """Scores a fold at epoch ends and keeps the best weights and the state."""

    def __init__(
        self,
        folder: pathlib.Path,
        training: schema.Training,
        *,
        hooks: Hooks,
        state: checkpoint.TrainingState,
        limit: deadline.Deadline | None,
    ) -> None:
        super().__init__()
        self.folder, self.training, self.hooks = folder, training, hooks
        self.state, self.limit = state, limit
        self.is_late = False
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score, keep the best weights, then commit the epoch with its state."""
        if self.model.stop_training:
            return
        network, optimizer = self.model.network, inner(self.model.optimizer)
        scoring = time.monotonic()
        with averaged(network, optimizer):
            score = self._score(network) if self._is_scored(epoch) else None
            if self._is_due(epoch, self.training.samples_every):
                self.hooks.sample(network, epoch)
        mean_score = self._score_mean(network, epoch)
        now = time.monotonic()
        row = history.Epoch(
            epoch=epoch,
            loss=float(logs["loss"]),
            score=score,
            seconds=round(now - self.began, 3),
            mean_score=mean_score,
            rate=float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            scoring=round(now - scoring, 3),
        )
        self._commit(row)

    def _commit(self, row: history.Epoch) -> None:
        state = self.state
        # Only now: a state that fails to be written leaves the epoch unmade.
        state.epochs.append(row)
        # The commit point: killed before it, the epoch is made again.
        checkpoint.save(
            self.folder, state, network=self.model.network,
            optimizer=self.model.optimizer,
        )  # fmt: skip
        history.write(self.folder / "history.csv", state.epochs)
        self.hooks.progress(row)
        total = self.training.epochs
        if history.is_over(state.epochs, epochs=total, patience=self.training.patience):
            self.model.stop_training = True
        elif self.limit and not self.limit.allows(longest(state.epochs)):
            self.is_late = self.model.stop_training = True

    def _is_due(self, epoch: int, every: int) -> bool:
        return bool(every) and (epoch + 1) % every == 0

    def _is_scored(self, epoch: int) -> bool:
        last = epoch + 1 == self.training.epochs
        return last or self._is_due(epoch, self.training.score_every)

    def _score(self, network: keras.Model) -> float | None:
        score = self.hooks.score(network)
        # Where there is nothing to score, the latest weights count as the best.
        if score is None or self.state.best is None or score > self.state.best:
            self.state.best_crc = checkpoint.keep_best(self.folder, network)
            self.state.best = score
        return score

    def _score_mean(self, network: keras.Model, epoch: int) -> float | None:
        """Take the epoch into the mean of the last ones; score it after the last."""
        state, training = self.state, self.training
        if epoch < training.epochs - training.swa_epochs:
            return None
        now = checkpoint.values(network.weights)
        state.averaged += 1
        before = state.mean or now
        state.mean = [
            (one + (other - one) / state.averaged).astype(one.dtype)
            for one, other in zip(before, now, strict=True)
        ]
        if epoch + 1 < training.epochs:
            return None
        with swapped(network.weights, state.mean):
            return self._score(network)


def keep_something(model: keras.Model, folder: pathlib.Path, *, further: bool) -> None:
    """Where time ends before the first score, keep the weights as they are."""
    # Within one epoch an earlier call may have come further.
    if further or not (folder / checkpoint.BEST).is_file():
        with averaged(model.network, inner(model.optimizer)):
            checkpoint.keep_best(folder, model.network)


def longest(epochs: list[history.Epoch]) -> float:
    """The seconds that the next epoch may take, a tenth more than any; 0: unknown.

    Of the last ones only: the machine may have been another one before.
    """
    return 1.1 * max((row["seconds"] for row in epochs[-3:]), default=0.0)


def _is_finite(weight: Any) -> bool:
    return bool(np.isfinite(keras.ops.convert_to_numpy(weight)).all())


def inner(optimizer: keras.Optimizer) -> keras.Optimizer:
    """The optimizer itself, where one that scales the loss stands around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextlib.contextmanager
def averaged(network: keras.Model, optimizer: keras.Optimizer) -> Iterator[None]:
    """Give a network the averaged weights for a while, where there are any."""
    if not optimizer.use_ema:
        yield
        return
    averages = optimizer._model_variables_moving_average
    with swapped(network.trainable_variables, checkpoint.values(averages)):
        yield


@contextlib.contextmanager
def swapped(variables: Any, arrays: list[np.ndarray]) -> Iterator[None]:
    """Give variables other values for a while."""
    kept = checkpoint.values(variables)
    try:
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        yield
    finally:
        for variable, array in zip(variables, kept, strict=True):
            variable.assign(array)
