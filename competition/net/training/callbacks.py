"""Keras callbacks of a fold: each watches one thing while `fit` runs the loop."""

import math
import pathlib
import time
from typing import Any

import keras
import numpy as np

from competition.core.experiment import history, schema
from competition.machine import deadline
from competition.net.training import averaging, checkpoint, progress, validation
from competition.net.training import tensorboard_curves as tensorboard

# Between two lines about an epoch that is still running.
LINE_SECONDS = 60


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops at the first loss or weights that are not finite, and keeps the step.

    `step` is None while all is finite; `loss` is the mean of the epoch so far.
    """

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
        """Stop where the loss is not finite."""
        self.loss = logs["loss"]
        self.last = max(self.last, batch)
        if not math.isfinite(self.loss):
            # A later batch may be looked at first.
            self.step = batch if self.step is None else min(batch, self.step)
            # Not raised: on JAX an exception inside `fit` can be hidden.
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the weights: the last step's show in no loss of the epoch."""
        weights = map(keras.ops.convert_to_numpy, self.model.network.weights)
        if self.step is None and not all(np.isfinite(w).all() for w in weights):
            self.step = self.last
            self.model.stop_training = True


class StopAtDeadline(keras.callbacks.Callback):
    """Stops before the step at which the time is over."""

    def __init__(self, limit: deadline.Deadline) -> None:
        super().__init__()
        self.limit = limit
        self.is_over = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Stop where no time is left."""
        if not self.limit.allows(0):
            self.is_over = self.model.stop_training = True


class PrintWithinEpoch(keras.callbacks.Callback):
    """Prints a line once a minute about an epoch that is still running."""

    def __init__(
        self,
        guard: StopOnNonFinite,
        lines: progress.FoldProgress,
        *,
        clock: deadline.Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.guard, self.lines, self.clock = guard, lines, clock
        self.began = self.printed = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.began = self.printed = self.clock()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Print a line where a minute has passed."""
        now = self.clock()
        if now - self.printed >= LINE_SECONDS and batch:
            self.printed = now
            steps = self.params["steps"]
            left = deadline.show((now - self.began) / batch * (steps - batch))
            self.lines.line(
                f"epoch {self.guard.epoch + 1}  step {batch}/{steps}  "
                f"loss {self.guard.loss:.4f}  epoch ends in {left}"
            )


class ScoreAndCheckpoint(keras.callbacks.Callback):
    """Scores the held-out scans after an epoch, and keeps best weights and state.

    Stops after the last epoch, where scores have not risen for `training.patience`, or
    where `limit` would come within the next epoch (`is_late`).
    """

    def __init__(
        self,
        folder: pathlib.Path,
        training: schema.Training,
        state: checkpoint.TrainingState,
        *,
        held_out: validation.HeldOutScans,
        lines: progress.FoldProgress,
        curves: tensorboard.TensorBoardCurves | None = None,
        limit: deadline.Deadline | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.training, self.state = folder, training, state
        self.held_out, self.lines, self.curves = held_out, lines, curves
        self.limit = limit
        self.is_late = False
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score, keep the best weights, then commit the epoch with its state."""
        # The epoch was not finished, or its weights are not finite.
        if self.model.stop_training:
            return
        network, optimizer = self.model.network, self.model.optimizer
        scoring = time.monotonic()
        with averaging.moving_average(network, optimizer):
            score = self._score() if self._is_scored(epoch) else None
            if _is_due(epoch, self.training.samples_every):
                path = self.folder / "samples" / f"epoch{epoch + 1:03d}.png"
                self.held_out.draw(network, path)
        mean_score = self._score_mean(epoch)
        now = time.monotonic()
        rate = averaging.inner(optimizer).learning_rate
        row = history.Epoch(
            epoch=epoch,
            loss=float(logs["loss"]),
            score=score,
            seconds=round(now - self.began, 3),
            mean_score=mean_score,
            rate=float(keras.ops.convert_to_numpy(rate)),
            scoring=round(now - scoring, 3),
        )
        self._commit(row)

    def _commit(self, row: history.Epoch) -> None:
        state = self.state
        # Only now: a state that cannot be written leaves the epoch undone.
        state.epochs.append(row)
        # The commit point: killed before it, the epoch is trained again.
        checkpoint.save(
            self.folder, state, network=self.model.network,
            optimizer=self.model.optimizer,
        )  # fmt: skip
        history.write(self.folder / "history.csv", state.epochs)
        if self.curves:
            self.curves.write(row)
        self.lines.epoch(row)
        if state.is_over(self.training):
            self.model.stop_training = True
        elif self.limit and not self.limit.allows(state.next_epoch_seconds()):
            self.is_late = self.model.stop_training = True

    def _is_scored(self, epoch: int) -> bool:
        last = epoch + 1 == self.training.epochs
        return last or _is_due(epoch, self.training.score_every)

    def _score(self) -> float | None:
        """Score the network, and keep its weights where none were better."""
        score = self.held_out.score(self.model.network)
        # Where there is nothing to score, the latest weights count as the best.
        if score is None or self.state.best is None or score > self.state.best:
            network = self.model.network
            self.state.best_crc = checkpoint.save_best_weights(self.folder, network)
            self.state.best = score
        return score

    def _score_mean(self, epoch: int) -> float | None:
        """Add the epoch to the mean of the last ones; score the mean at the end."""
        state, training = self.state, self.training
        if epoch < training.epochs - training.swa_epochs:
            return None
        weights = self.model.network.weights
        state.averaged += 1
        now = checkpoint.to_arrays(weights)
        state.mean = averaging.add_to_mean(state.mean, now, state.averaged)
        if epoch + 1 < training.epochs:
            return None
        with averaging.swapped(weights, state.mean):
            return self._score()


def _is_due(epoch: int, every: int) -> bool:
    return bool(every) and (epoch + 1) % every == 0
