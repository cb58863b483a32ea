"""What happens at the ends of steps and epochs while `fit` owns the loop."""

import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras

from competition.core import config, files, history
from competition.net import checkpoint

Score = Callable[[keras.Model], float]
Progress = Callable[[history.Epoch], None]


class Guard(keras.callbacks.Callback):
    """Stops at the first loss that is not finite and remembers where that was."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss."""
        if not math.isfinite(logs["loss"]):
            # Raised after `fit`: on JAX an exception inside it can be hidden.
            self.fault = (
                f"The loss is {logs['loss']} at step {batch + 1} of epoch "
                f"{self.epoch + 1}. Lower `training.learning_rate`, or look for "
                "slices with broken intensities. The epochs before are kept."
            )
            self.model.stop_training = True


class Keeper(keras.callbacks.Callback):
    """Scores a fold at epoch ends and keeps the best weights and the state."""

    def __init__(
        self,
        folder: pathlib.Path,
        training: config.Training,
        *,
        score: Score,
        progress: Progress | None,
        epochs: list[history.Epoch],
    ) -> None:
        super().__init__()
        self.folder = folder
        self.training = training
        self.score = score
        self.progress = progress
        self.epochs = epochs
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score, keep the best weights, then commit the epoch with its state."""
        if self.model.stop_training:
            return
        network = self.model.network
        score = float(self.score(network)) if self._is_scored(epoch) else None
        if score is not None:
            self._keep_best(network, score)
        row = history.Epoch(
            epoch=epoch,
            loss=float(logs["loss"]),
            score=score,
            seconds=round(time.monotonic() - self.began, 3),
        )
        self.epochs.append(row)
        # The state is the commit point: killed before it, the epoch is made again.
        checkpoint.save(
            self.folder / "state.npz",
            network,
            optimizer=self.model.optimizer,
            epochs=self.epochs,
        )
        history.write(self.folder / "history.csv", self.epochs)
        if self.progress:
            self.progress(row)

    def _is_scored(self, epoch: int) -> bool:
        done = epoch + 1
        last = done == self.training.epochs
        return last or done % self.training.score_every == 0

    def _keep_best(self, network: keras.Model, score: float) -> None:
        best = history.best(self.epochs)
        if best is None or score > best:
            with files.replacing(self.folder / "best.weights.h5") as temporary:
                network.save_weights(temporary)
