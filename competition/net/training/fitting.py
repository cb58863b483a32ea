"""Train one fold with `model.fit`, and go on after interruptions and faults."""

import dataclasses
import gc
import math
import pathlib

import keras
import tensorflow as tf

from competition.core import console
from competition.core.experiment import configs, history
from competition.machine import deadline
from competition.net import devices
from competition.net.input import tensorflow_dataset
from competition.net.training import (
    averaging,
    callbacks,
    checkpoint,
    losses,
    progress,
    schedules,
    step,
    tensorboard_curves,
    validation,
)

# The name of the layer of a network that `freeze_epochs` is about.
ENCODER = "encoder"


@dataclasses.dataclass(frozen=True)
class FoldTraining:
    """The parts of a fold's training that are the same in every attempt."""

    network: keras.Model
    config: configs.Config
    data: tensorflow_dataset.TrainingData
    held_out: validation.HeldOutScans
    lines: progress.FoldProgress
    folder: pathlib.Path
    limit: deadline.Deadline | None = None


class _NotFinite(Exception):
    """The loss of a step, or the weights after it, are not finite."""


def seed(number: int, *, deterministic: bool = True) -> None:
    """Make initial weights and dropout repeatable; to the bit if `deterministic`."""
    keras.utils.set_random_seed(number)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def fit(fold: FoldTraining) -> list[history.Epoch]:
    """Train a fold to its last epoch, going on after the last one that was finished.

    Writes best.weights.h5, state.npz and history.csv into the fold's folder and returns
    a row an epoch. Killed and called again it ends as if it had not been; called on a
    finished fold it does nothing. Where the limit comes first it ends in time, with
    weights to use and a state to go on from.
    """
    training = fold.config.training
    initial = checkpoint.to_arrays(fold.network.variables)
    board = fold.folder / "tensorboard"
    curves = (
        tensorboard_curves.TensorBoardCurves(board) if training.tensorboard else None
    )
    stored, state = _load(fold.folder)
    while not (state.is_over(training) or _is_late(state, fold.limit)):
        checkpoint.assign(fold.network.variables, initial)
        try:
            _train(fold, stored, state, curves)
        except _NotFinite as fault:
            if state.slowed:
                raise ValueError(f"{fold.folder}: {fault}") from None
            state.slowed = True
            console.warn(f"{fault} Trying once more from there at half the rate.")
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            state.halvings += 1
            adjusted = _adjusted(fold.config, state).training
            console.warn(
                f"no memory for the batch: going on with {adjusted.batch} slices at a "
                f"time and {adjusted.accumulate} batches a step, "
                f"{adjusted.batch * adjusted.accumulate} slices a step as before where "
                "that divides."
            )
        # The failed attempt may still hold memory of the device.
        gc.collect()
        stored, state = _load(fold.folder, tried=state)
    if state.is_over(training):
        _finish(fold.folder)
    return state.epochs


def _load(
    folder: pathlib.Path, tried: checkpoint.TrainingState | None = None
) -> tuple[checkpoint.Checkpoint | None, checkpoint.TrainingState]:
    """Return the checkpoint on disk, and the state to go on with.

    That state has the smaller batch and the lower rate that the attempt before, whose
    state is `tried`, has shown to be needed.
    """
    tried = tried or checkpoint.TrainingState()
    stored = checkpoint.load(folder)
    last = stored.state if stored else checkpoint.TrainingState()
    state = dataclasses.replace(
        last,
        epochs=list(last.epochs),
        halvings=max(last.halvings, tried.halvings),
        slowed=last.slowed or tried.slowed,
    )
    if len(history.read(folder / "history.csv")) != len(state.epochs):
        # Killed between the state and the history that derives from it.
        history.write(folder / "history.csv", state.epochs)
    return stored, state


def _is_late(state: checkpoint.TrainingState, limit: deadline.Deadline | None) -> bool:
    return limit is not None and not limit.allows(state.next_epoch_seconds())


def _train(
    fold: FoldTraining,
    stored: checkpoint.Checkpoint | None,
    state: checkpoint.TrainingState,
    curves: tensorboard_curves.TensorBoardCurves | None,
) -> None:
    """Train from the state to the last epoch, or as long as the encoder is frozen."""
    config = _adjusted(fold.config, state)
    training = config.training
    begun = len(state.epochs)
    state.resting = begun < training.freeze_epochs
    if training.freeze_epochs:
        _freeze_encoder(fold.network, state.resting)
    batches = fold.data.batches(config, first_epoch=begun)
    steps = int(batches.cardinality().numpy()) // (training.epochs - begun)
    model = _compiled(fold.network, config, state, steps=steps)
    if stored:
        checkpoint.restore(
            stored, network=fold.network, optimizer=model.optimizer, now=state
        )
    guard = callbacks.StopOnNonFinite()
    end = callbacks.StopAtDeadline(fold.limit) if fold.limit else None
    keeper = callbacks.ScoreAndCheckpoint(
        fold.folder, training, state, held_out=fold.held_out, lines=fold.lines,
        curves=curves, limit=fold.limit,
    )  # fmt: skip
    model.fit(
        batches,
        initial_epoch=begun,
        epochs=training.freeze_epochs if state.resting else training.epochs,
        steps_per_epoch=steps,
        # Batches come in their order; newer releases of Keras want that said.
        shuffle=False,
        callbacks=[
            # First: the others must not keep or score weights that are not finite.
            guard,
            *([end] if end else []),
            callbacks.PrintWithinEpoch(guard, fold.lines),
            keeper,
        ],
        verbose=0,
    )
    if guard.step is not None:
        ids = fold.data.ids(guard.epoch * steps + guard.step)
        raise _NotFinite(_message(guard, ids))
    if keeper.is_late or (end and end.is_over):
        _keep_usable_weights(model, fold.folder, state, begun=begun)


def _compiled(
    network: keras.Model,
    config: configs.Config,
    state: checkpoint.TrainingState,
    *,
    steps: int,
) -> step.TrainingStep:
    """Build the training step around a network, with a built optimizer."""
    training = config.training
    model = step.TrainingStep(network, losses.build(config.loss))
    # The optimizer is new where the encoder is unfrozen: it must move more weights.
    first = 0 if state.resting else training.freeze_epochs * steps
    optimizer = schedules.build_optimizer(training, steps=steps, first=first)
    if keras.config.dtype_policy().name == "mixed_float16":
        # `compile` would, were the step itself not float32.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=devices.jit_compile(training.xla))
    return model


def _adjusted(
    config: configs.Config, state: checkpoint.TrainingState
) -> configs.Config:
    """Return the config with the batch that fits into memory, and the rate to use.

    A smaller batch is accumulated more often, so that a step sees as many slices.
    """
    training = config.training
    batch, accumulate = training.batch, training.accumulate
    for _ in range(state.halvings):
        if batch == 1:
            raise ValueError(
                "There is no memory for a single slice. Choose smaller "
                "`geometry.height` and `width`, `model.widths` or encoder."
            )
        batch, accumulate = batch // 2, accumulate * 2
    rate = training.learning_rate / (2 if state.slowed else 1)
    changes = {"batch": batch, "accumulate": accumulate, "learning_rate": rate}
    adjusted = training.model_copy(update=changes)
    return config.model_copy(update={"training": adjusted})


def _freeze_encoder(network: keras.Model, frozen: bool) -> None:
    layers = {layer.name: layer for layer in network.layers}
    if ENCODER not in layers:
        raise ValueError(
            "`training.freeze_epochs` is about a network's encoder, and this network "
            "has none. Set `model.encoder`, or freeze_epochs=0."
        )
    layers[ENCODER].trainable = not frozen


def _keep_usable_weights(
    model: step.TrainingStep,
    folder: pathlib.Path,
    state: checkpoint.TrainingState,
    *,
    begun: int,
) -> None:
    """Where time ends before the first score, keep the weights as they are."""
    is_unscored = len(state.epochs) > begun and history.best(state.epochs) is None
    # Within one epoch an earlier call may have come further.
    if is_unscored or not (folder / checkpoint.BEST).is_file():
        with averaging.moving_average(model.network, model.optimizer):
            checkpoint.save_best_weights(folder, model.network)


def _message(guard: callbacks.StopOnNonFinite, ids: list[str]) -> str:
    is_loss = not math.isfinite(guard.loss)
    subject = f"The loss is {guard.loss}" if is_loss else "The weights are not finite"
    return (
        f"{subject} at step {(guard.step or 0) + 1} of epoch {guard.epoch + 1}, in "
        f"the slices {', '.join(ids)}. Lower `training.learning_rate`, or look for "
        "broken intensities in these slices. The epochs before are kept."
    )


def _finish(folder: pathlib.Path) -> None:
    """Tidy up a finished fold, whose best weights must be there."""
    if not (folder / checkpoint.BEST).is_file():
        raise ValueError(
            f"{folder / checkpoint.BEST}: not found, though the fold is finished. "
            "Bring it back, or delete the folder to train the fold again."
        )
    checkpoint.remove_previous(folder)
