"""What happens at the ends of steps and epochs while `fit` owns the loop."""

import csv
import io
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras

from competition.core import config, files
from competition.net import checkpoint

Score = Callable[[keras.Model], float]
Progress = Callable[[dict[str, Any]], None]
COLUMNS = ("epoch", "loss", "score", "seconds")


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
        history: checkpoint.History,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.training = training
        self.score = score
        self.progress = progress
        self.history = history
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
        row = {
            "epoch": epoch,
            "loss": float(logs["loss"]),
            "score": score,
            "seconds": round(time.monotonic() - self.began, 3),
        }
        self.history.append(row)
        # The state is the commit point: whatever is written before it is made again.
        write_history(self.folder / "history.csv", self.history)
        checkpoint.save(
            self.folder / "state.npz",
            network,
            optimizer=self.model.optimizer,
            history=self.history,
        )
        if self.progress:
            self.progress(row)

    def _is_scored(self, epoch: int) -> bool:
        done = epoch + 1
        last = done == self.training.epochs
        return last or done % self.training.score_every == 0

    def _keep_best(self, network: keras.Model, score: float) -> None:
        scores = [row["score"] for row in self.history if row["score"] is not None]
        if not scores or score > max(scores):
            with files.replacing(self.folder / "best.weights.h5") as temporary:
                network.save_weights(temporary)


def write_history(path: pathlib.Path, history: checkpoint.History) -> None:
    """Write one row an epoch; a score that was not taken is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.write_text(path, text.getvalue())
