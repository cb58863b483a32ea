"""Training one fold: `fit` owns the loop, callbacks keep what must not be lost."""

import dataclasses
import gc
import math
import pathlib
from typing import Protocol

import keras
import tensorflow as tf

from competition.core import console
from competition.core.experiment import configs, history, schema
from competition.machine import deadline
from competition.net import devices
from competition.net.training import (
    callbacks,
    checkpoint,
    losses,
    schedules,
    step,
    tensorboard_curves,
)

# The name of the layer of a network that `freeze_epochs` is about.
ENCODER = "encoder"


class Stream(Protocol):
    """`TrainingData.batches` of a data set."""

    def __call__(self, config: configs.Config, *, first_epoch: int) -> tf.data.Dataset:
        """Return the batches from `first_epoch` to the last epoch."""


@dataclasses.dataclass(frozen=True)
class FoldFit:
    """What an attempt to train works on."""

    network: keras.Model
    config: configs.Config
    train: Stream
    folder: pathlib.Path
    hooks: callbacks.Hooks
    limit: deadline.Deadline | None


class _NotFinite(Exception):
    """The loss of a step, or what it made of the weights, is not finite."""


def seed(number: int, *, deterministic: bool = True) -> None:
    """Make what follows repeatable: initial weights, dropout; to the bit if asked."""
    keras.utils.set_random_seed(number)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    config: configs.Config,
    *,
    train: Stream,
    folder: pathlib.Path,
    hooks: callbacks.Hooks,
    limit: deadline.Deadline | None = None,
) -> list[history.Epoch]:
    """Train a fold to its last epoch, going on after the last one that was finished.

    Writes best.weights.h5, state.npz and history.csv into `folder` and returns a row
    an epoch. Killed and called again it ends as if it had not been; called on a
    finished fold it does nothing. Where `limit` comes first it ends in time, with
    weights to use and a state to go on from.
    """
    if config.training.tensorboard:
        hooks = _with_board(hooks, folder / "tensorboard")
    fold = FoldFit(network, config, train, folder, hooks, limit)
    initial = checkpoint.values(network.variables)
    stored, state = _last(folder, checkpoint.TrainingState())
    while not (_is_over(state, config) or _is_late(state, limit)):
        for variable, value in zip(network.variables, initial, strict=True):
            variable.assign(value)
        _try(fold, stored, state)
        # From disk, and in it what a failed attempt found out.
        stored, state = _last(folder, state)
    if _is_over(state, config):
        _end(folder)
    return state.epochs


def build_optimizer(training: schema.Training, *, steps: int) -> keras.Optimizer:
    """Build the optimizer of a fold of `steps` batches an epoch; see `schedules`."""
    return schedules.build_optimizer(training, steps=steps)


def _last(
    folder: pathlib.Path, tried: checkpoint.TrainingState
) -> tuple[checkpoint.StoredState | None, checkpoint.TrainingState]:
    """What lies on disk, and the state to go on with: no better than `tried`."""
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


def _is_over(state: checkpoint.TrainingState, config: configs.Config) -> bool:
    training = config.training
    return history.is_over(
        state.epochs, epochs=training.epochs, patience=training.patience
    )


def _is_late(state: checkpoint.TrainingState, limit: deadline.Deadline | None) -> bool:
    return limit is not None and not limit.allows(callbacks.longest(state.epochs))


def _try(
    fold: FoldFit,
    stored: checkpoint.StoredState | None,
    state: checkpoint.TrainingState,
) -> None:
    """Train as far as it goes, and note in the state what to do otherwise next."""
    try:
        _attempt(fold, stored, state)
    except _NotFinite as fault:
        if state.slowed:
            raise ValueError(f"{fold.folder}: {fault}") from None
        state.slowed = True
        console.warn(f"{fault} Trying once more from there at half the rate.")
    except Exception as error:
        if not devices.is_out_of_memory(error):
            raise
        state.halvings += 1
        console.warn(f"no memory for the batch: {_effective(fold.config, state)[1]}")
    # What the attempt held on the device.
    gc.collect()


def _attempt(
    fold: FoldFit,
    stored: checkpoint.StoredState | None,
    state: checkpoint.TrainingState,
) -> None:
    """Go on from the state to the end, or to where the encoder stops resting."""
    config, _ = _effective(fold.config, state)
    training = config.training
    state.resting = len(state.epochs) < training.freeze_epochs
    if training.freeze_epochs:
        _rest(fold.network, state.resting)
    batches = fold.train(config, first_epoch=len(state.epochs))
    ahead = training.epochs - len(state.epochs)
    steps = int(batches.cardinality().numpy()) // ahead
    first = 0 if state.resting else training.freeze_epochs * steps
    model = step.TrainingStep(fold.network, losses.build(config.loss))
    optimizer = schedules.build_optimizer(training, steps=steps, first=first)
    if keras.config.dtype_policy().name == "mixed_float16":
        # `compile` would, were the step itself not float32.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    if stored:
        checkpoint.restore(stored, network=fold.network, optimizer=optimizer, now=state)
    guard = callbacks.FiniteGuard()
    watch = callbacks.BudgetWatch(guard, fold.limit, pulse=fold.hooks.pulse)
    keeper = callbacks.StateKeeper(
        fold.folder, training, hooks=fold.hooks, state=state, limit=fold.limit
    )
    model.compile(optimizer=optimizer, jit_compile=_xla(training))
    begun = len(state.epochs)
    model.fit(
        batches,
        initial_epoch=begun,
        epochs=training.freeze_epochs if state.resting else training.epochs,
        steps_per_epoch=steps,
        # Batches come in their order; newer releases of Keras want that said.
        shuffle=False,
        callbacks=[guard, watch, keeper],
        verbose=0,
    )
    if guard.step is not None:
        raise _NotFinite(_fault(guard, fold.hooks, config=config, steps=steps))
    if watch.is_over or keeper.is_late:
        further = len(state.epochs) > begun and history.best(state.epochs) is None
        callbacks.keep_something(model, fold.folder, further=further)


def _effective(
    config: configs.Config, state: checkpoint.TrainingState
) -> tuple[configs.Config, str]:
    """The config that memory and a loss that is not finite leave; and what it says."""
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
    changed = training.model_copy(update=changes)
    return (
        config.model_copy(update={"training": changed}),
        f"going on with {batch} slices at a time and {accumulate} batches a step, "
        f"{batch * accumulate} slices a step as before where that divides.",
    )


def _rest(network: keras.Model, resting: bool) -> None:
    layers = {layer.name: layer for layer in network.layers}
    if ENCODER not in layers:
        raise ValueError(
            "`training.freeze_epochs` is about a network's encoder, and this network "
            "has none. Set `model.encoder`, or freeze_epochs=0."
        )
    layers[ENCODER].trainable = not resting


def _xla(training: schema.Training) -> bool:
    backend = keras.backend.backend()
    return devices.xla(training.xla, devices.find(), backend=backend)


def _fault(
    guard: callbacks.FiniteGuard,
    hooks: callbacks.Hooks,
    *,
    config: configs.Config,
    steps: int,
) -> str:
    batch = guard.step or 0
    ids = hooks.ids(config, guard.epoch * steps + batch)
    is_loss = not math.isfinite(guard.loss)
    what = f"The loss is {guard.loss}" if is_loss else "The weights are not finite"
    return (
        f"{what} at step {batch + 1} of epoch {guard.epoch + 1}, in "
        f"the slices {', '.join(ids)}. Lower `training.learning_rate`, or look for "
        "broken intensities in these slices. The epochs before are kept."
    )


def _with_board(hooks: callbacks.Hooks, folder: pathlib.Path) -> callbacks.Hooks:
    curves = tensorboard_curves.TensorBoardCurves(folder)

    def progress(row: history.Epoch) -> None:
        curves.write(row)
        hooks.progress(row)

    return dataclasses.replace(hooks, progress=progress)


def _end(folder: pathlib.Path) -> None:
    """A finished fold keeps no state before the last, and has weights."""
    if not (folder / checkpoint.BEST).is_file():
        raise ValueError(
            f"{folder / checkpoint.BEST}: not found, though the fold is finished. "
            "Bring it back, or delete the folder to train the fold again."
        )
    checkpoint.finish(folder)
