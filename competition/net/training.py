"""Training one fold: `fit` owns the loop, callbacks keep what must not be lost."""

import pathlib
from typing import Protocol

import keras
import tensorflow as tf

from competition.core import config, history
from competition.net import callbacks, checkpoint, losses, step


class Stream(Protocol):
    """`dataset.training` with its table, arrays and config filled in."""

    def __call__(self, *, first_epoch: int) -> tf.data.Dataset:
        """Return the batches from `first_epoch` to the last epoch."""


def seed(number: int) -> None:
    """Make what follows repeatable to the bit: initial weights, dropout, kernels."""
    keras.utils.set_random_seed(number)
    tf.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    config: config.Config,
    *,
    train: Stream,
    folder: pathlib.Path,
    score: callbacks.Score,
    progress: callbacks.Progress | None = None,
) -> list[history.Epoch]:
    """Train a fold to its last epoch, going on after the last one that was finished.

    Writes best.weights.h5, state.npz and history.csv into `folder` and returns a row
    {"epoch" from 0, "loss", "score" or None, "seconds"} an epoch. Killed and called
    again it ends as if it had not been; called on a finished fold it does nothing.
    """
    total = config.training.epochs
    steps = int(train(first_epoch=0).cardinality().numpy()) // total
    optimizer = build_optimizer(config.training, steps=steps)
    optimizer.build(network.trainable_variables)
    epochs = checkpoint.load(folder / "state.npz", network, optimizer=optimizer)
    if len(history.read(folder / "history.csv")) != len(epochs):
        # Killed between the state and the history that derives from it.
        history.write(folder / "history.csv", epochs)
    if len(epochs) < total:
        guard = callbacks.Guard()
        keeper = callbacks.Keeper(
            folder, config.training, score=score, progress=progress, epochs=epochs
        )
        model = step.Step(network, losses.build(config.loss))
        model.compile(optimizer=optimizer, jit_compile=step.xla())
        model.fit(
            train(first_epoch=len(epochs)),
            initial_epoch=len(epochs),
            epochs=total,
            steps_per_epoch=steps,
            callbacks=[guard, keeper],
            verbose=0,
        )
        if guard.fault:
            raise ValueError(f"{folder}: {guard.fault}")
    return epochs


def build_optimizer(training: config.Training, *, steps: int) -> keras.Optimizer:
    """Build AdamW whose rate rises evenly, then falls as a cosine, over all steps."""
    total = steps * training.epochs
    warmup = max(1, round(training.warmup * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        # Not 0, or the first step would teach nothing.
        initial_learning_rate=training.learning_rate / warmup,
        warmup_target=training.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, total - warmup),
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=training.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
