"""Keras callbacks of a fold: each watches one thing while `fit` runs the loop."""

import math
import statistics
import time
from typing import Any

import keras
import numpy as np

from competition.core.experiment import history
from competition.machine import deadline
from competition.net import hosts
from competition.net.training import checkpoint, progress, setup, spreading, weights

# Loss scaling starts at 2**15 and halves at each step that is not finite: 16 such steps
# in a row take it below 1.
IN_A_ROW = 16
# The first COMPILED steps compile, and the next TIMED steps give the time of a step. It
# is printed if the steps that are left take longer than LONG seconds.
COMPILED, TIMED, LONG = 3, 20, 300


class WatchSteps(keras.callbacks.Callback):
    """Stops at the first loss or weights that are not finite, and keeps the step.

    `step` is None while all is finite; `loss` is the mean of the epoch so far, which a
    terminal shows once a minute. If the loss is scaled, for float16, the optimizer
    skips steps that are not finite: only IN_A_ROW of them one after another, or an
    epoch without any finite step, are a fault. The mean is that of the finite steps.
    """

    # `fit` need not wait for the device before it prepares the next step. On JAX it
    # must: JAX reuses the memory of a loss that has not been read.
    async_safe = keras.backend.backend() != "jax"

    def __init__(
        self,
        lines: progress.FoldProgress,
        *,
        limit: deadline.Deadline | None = None,
        clock: deadline.Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.lines, self.limit, self.clock = lines, limit, clock
        self.step: int | None = None
        self.epoch = self.last = 0
        # If the loss is scaled: the losses of the epoch by batch.
        self.losses: dict[int, float] = {}
        self.loss = math.nan
        self.began = self.printed = 0.0
        # When the first step after those that compile began.
        self.timed_from, self.is_timed = 0.0, False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch, and start the clock."""
        self.epoch, self.last, self.losses = epoch, 0, {}
        self.began = self.printed = self.clock()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Report the progress of the epoch and, once, how long a step takes."""
        now = self.clock()
        steps = self.params["steps"]
        self.lines.now(
            "training",
            epoch=self.epoch,
            step=batch,
            steps=steps,
            seconds=now - self.began,
            loss=self.loss,
        )
        if batch == COMPILED:
            self.timed_from = now
        elif batch == COMPILED + TIMED and not self.is_timed:
            self.is_timed = True
            self._print_time(batch, (now - self.timed_from) / TIMED)
        if now - self.printed >= 60 and batch:
            self.printed = now
            left = deadline.show((now - self.began) / batch * (steps - batch))
            self.lines.within(
                f"epoch {self.epoch + 1}  step {batch}/{steps}  "
                f"loss {self.loss:.4f}  epoch ends in {left}"
            )

    def _print_time(self, batch: int, seconds: float) -> None:
        """Print the time of a step and of all that are left, if they take long."""
        # All epochs, not those of this `fit`, which ends when the encoder is unfrozen.
        epochs = self.lines.total - self.epoch
        left = seconds * (self.params["steps"] * epochs - batch)
        if left >= LONG:
            self.lines.line(
                f"a step takes {seconds:.3f} s, all steps of {epochs} epochs take "
                f"{deadline.show(left)}, without scoring"
            )
        if self.limit:
            # All hosts must ask together, so this is not inside the `if` above.
            given = self.limit.left()
            if given < left:
                self.lines.line(progress.too_long(left, given, epochs))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop at a loss that is not finite; if scaled, at IN_A_ROW such losses."""
        self.last, self.loss = max(self.last, batch), logs["loss"]
        is_fault = not math.isfinite(self.loss)
        if "last_loss" in logs:
            self.losses[batch] = logs["last_loss"]
            is_fault = _in_a_row(self.losses, batch) >= IN_A_ROW
            self.loss = math.nan if is_fault else _mean(self.losses)
        if is_fault:
            # A later batch may be looked at first.
            self.step = batch if self.step is None else min(batch, self.step)
            # No error is raised here: on JAX an error inside `fit` can be hidden.
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop if the last step, after which no loss is computed, broke the weights."""
        if self.step is not None:
            return
        self.loss = _mean(self.losses) if self.losses else logs["loss"]
        values = map(keras.ops.convert_to_numpy, self.model.network.weights)
        is_sound = all(np.isfinite(each).all() for each in values)
        if not is_sound or not math.isfinite(self.loss):
            self.step = self.last
            self.model.stop_training = True


def _in_a_row(losses: dict[int, float], batch: int) -> int:
    """Return how many batches in a row, around this one, have no finite loss.

    The batches may be looked at in any order.
    """
    first = last = batch
    while not math.isfinite(losses.get(first, 0.0)):
        first -= 1
    while not math.isfinite(losses.get(last, 0.0)):
        last += 1
    return max(0, last - first - 1)


def _mean(losses: dict[int, float]) -> float:
    """Return the mean of the finite losses; NaN where there is none."""
    finite = [losses[batch] for batch in sorted(losses) if math.isfinite(losses[batch])]
    return statistics.fmean(finite) if finite else math.nan


class ScoreAndCheckpoint(keras.callbacks.Callback):
    """Scores the held-out scans after an epoch, and keeps weights and state.

    If the optimizer keeps a moving average of the weights, it stands for the weights of
    an epoch: it is scored, kept, and averaged over the last epochs. Training stops
    after the last epoch, or when scores have not risen for `training.patience`.
    """

    def __init__(
        self,
        fold: setup.FoldTraining,
        state: checkpoint.TrainingState,
        watch: WatchSteps,
    ) -> None:
        super().__init__()
        self.fold, self.state, self.watch = fold, state, watch
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clocks."""
        self.began = time.monotonic()
        # Do not count the wait for batches that were prefetched before the first step.
        self.fold.data.waiting.take()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score, keep weights, then commit the epoch with its state."""
        # The epoch was not finished, or its weights are not finite.
        if self.model.stop_training:
            return
        fold, training = self.fold, self.fold.config.training
        done = epoch + 1
        scoring, waited = time.monotonic(), fold.data.waiting.take()
        fold.lines.now("scoring")
        with (
            spreading.local(self.model.network.variables, training.gpus),
            weights.moving_average(self.model),
        ):
            is_due = done == training.epochs or done % training.score_every == 0
            # A fold that is stopped early needs weights before the mean exists.
            is_kept = training.keep == "last" or (
                training.keep == "swa" and done < training.epochs
            )
            score = self._score(is_kept=is_kept) if is_due else None
            is_drawn = training.samples_every and done % training.samples_every == 0
            if is_drawn and hosts.is_first():
                path = fold.folder / "samples" / f"epoch{done:03d}.png"
                fold.held_out.draw(self.model.network, path)
            mean_score = self._score_mean(epoch)
        now = time.monotonic()
        rate = self.model.optimizer.learning_rate
        row = history.Epoch(
            epoch=epoch,
            loss=float(self.watch.loss),
            score=score,
            seconds=round(now - self.began, 3),
            mean_score=mean_score,
            rate=float(keras.ops.convert_to_numpy(rate)),
            scoring=round(now - scoring, 3),
            memory=fold.lines.memory,
            waiting=None if waited is None else round(waited, 3),
        )
        # This comes last: if the state cannot be written, the epoch counts as undone.
        self.state.epochs.append(hosts.first(row))
        if hosts.is_first():
            # The commit point: killed before it, the epoch is trained again.
            checkpoint.save(fold.folder, self.state, self.model)
            history.write(fold.folder / "history.csv", self.state.epochs)
            fold.lines.epoch(row)
        self.model.stop_training = history.is_over(self.state.epochs, training)

    def _score(self, *, is_kept: bool) -> float | None:
        """Score the network, and keep its weights if wanted.

        They are kept if `is_kept` or, with `training.keep` = "best", if they are best.
        """
        network, state = self.model.network, self.state
        score = self.fold.held_out.score(network)
        if self.fold.config.training.keep == "best":
            # If there is nothing to score, the latest weights count as the best.
            is_kept = score is None or state.best is None or score > state.best
        if is_kept:
            folder, owner = self.fold.folder, self.fold.owner
            if hosts.is_first():
                state.best_digest = checkpoint.save_best_weights(folder, network, owner)
            state.best = score
        return score

    def _score_mean(self, epoch: int) -> float | None:
        """Add the epoch to the mean of the last ones; score the mean at the end."""
        state, training = self.state, self.fold.config.training
        if epoch < training.epochs - training.swa_epochs:
            return None
        variables = self.model.network.weights
        state.averaged += 1
        now = weights.to_arrays(variables)
        state.mean = [
            (mean + (value - mean) / state.averaged).astype(mean.dtype)
            for mean, value in zip(state.mean or now, now, strict=True)
        ]
        if epoch + 1 < training.epochs:
            return None
        with weights.swapped(variables, state.mean):
            return self._score(is_kept=training.keep == "swa")


class StopAtDeadline(keras.callbacks.Callback):
    """Stops before a step or an epoch for which no time is left.

    It must come after the callback that updates `state`, which it reads.
    """

    def __init__(
        self, limit: deadline.Deadline | None, state: checkpoint.TrainingState
    ) -> None:
        super().__init__()
        self.limit, self.state = limit, state
        self.is_late = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Stop where no time is left."""
        if self.limit and not self.limit.allows(0):
            self.is_late = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop where the limit would come within the next epoch."""
        if not self.model.stop_training and self.state.is_late(self.limit):
            self.is_late = self.model.stop_training = True
