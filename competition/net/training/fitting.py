"""Train one fold with `model.fit`, and go on after interruptions and faults."""

import dataclasses
import functools
import gc
import itertools
import math

import keras

from competition.core import console
from competition.core.experiment import configs, history, schema
from competition.net import devices, hosts
from competition.net.input import training_data
from competition.net.training import (
    callbacks,
    checkpoint,
    loss_scale,
    losses,
    restoring,
    schedules,
    setup,
    spreading,
    step,
    weights,
    xla_trial,
)


class _NotFinite(Exception):
    """The loss of a step, or the weights after it, are not finite."""


def fit(fold: setup.FoldTraining) -> list[history.Epoch]:
    """Train a fold to its last epoch, going on after the last one that was finished.

    It writes best.weights.h5, state.npz and history.csv into the fold's folder, and
    returns a row an epoch. After a kill the next call has the result of an undisturbed
    one; on a finished fold it does nothing. If the limit comes first, it ends in time,
    with weights to use and a state to go on from.
    """
    begun = checkpoint.TrainingState(fold.owner)
    initial = checkpoint.shared(
        checkpoint.Checkpoint(begun, weights.to_arrays(fold.network.variables))
    ).network
    state = begun
    while True:
        stored = checkpoint.shared(_load(fold))
        # The attempt before may have needed a smaller batch or a lower rate.
        state = dataclasses.replace(
            stored.state,
            halvings=max(_possible(stored.state.halvings, fold.config), state.halvings),
            slowed=stored.state.slowed or state.slowed,
        )
        if history.is_over(state.epochs, fold.config.training):
            hosts.together(functools.partial(_finish, fold, stored))
            return state.epochs
        if state.is_late(fold.limit):
            return state.epochs
        weights.assign(fold.network.variables, initial)
        try:
            _train(fold, stored, state)
        except _NotFinite as fault:
            if state.slowed:
                raise ValueError(f"{fold.folder}: {fault}") from None
            state.slowed = True
            console.warn(f"{fault} Trying once more from there at half the rate.")
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            _use_less_memory(fold, state)
        # The attempt may still hold memory of the device.
        gc.collect()


def _load(fold: setup.FoldTraining) -> checkpoint.Checkpoint:
    """Read the state of a fold, and mend its history, on the host that writes them."""

    def load() -> checkpoint.Checkpoint:
        if not hosts.is_first():
            return checkpoint.Checkpoint(checkpoint.TrainingState(fold.owner))
        stored = checkpoint.load(fold.folder, fold.owner)
        path = fold.folder / "history.csv"
        if len(history.read(path)) != len(stored.state.epochs):
            # The process was killed after it wrote the state, and before the history.
            history.write(path, stored.state.epochs)
        return stored

    return hosts.together(load)


def _finish(fold: setup.FoldTraining, stored: checkpoint.Checkpoint) -> None:
    if hosts.is_first():
        checkpoint.finish(fold.folder, stored)


def _train(
    fold: setup.FoldTraining,
    stored: checkpoint.Checkpoint,
    state: checkpoint.TrainingState,
) -> None:
    """Train from the state to the last epoch, or until the encoder is unfrozen."""
    config = _adjusted(fold.config, state)
    training = config.training
    begun = len(state.epochs)
    state.resting = begun < training.freeze_epochs
    if training.freeze_epochs:
        fold.network.get_layer("encoder").trainable = not state.resting
    # The first callback: the others must not keep or score weights that are not finite.
    watch = callbacks.WatchSteps(fold.lines, limit=fold.limit)
    end = callbacks.StopAtDeadline(fold.limit, state)
    with fold.data.batches(config, first_epoch=begun) as batches:
        steps = state.steps = fold.data.steps
        # When the encoder is unfrozen the optimizer is new: it must move more weights.
        first = 0 if state.resting else training.freeze_epochs * steps
        build = functools.partial(compiled, fold.network, config, fold.data, first)
        xla = xla_trial.choose(training, fold.network, build, batches)
        model = build(xla)
        restoring.restore(stored, state, model)
        variables = model.variables, model.metrics_variables, model.optimizer.variables
        with spreading.spread(itertools.chain(*variables), training.gpus):
            model.fit(
                batches,
                initial_epoch=begun,
                epochs=training.freeze_epochs if state.resting else training.epochs,
                steps_per_epoch=steps,
                # Batches come in order; newer releases of Keras need this setting.
                shuffle=False,
                callbacks=[
                    watch,
                    callbacks.ScoreAndCheckpoint(fold, state, watch),
                    end,
                ],
                verbose=0,
            )
    _check_finite(watch, fold.data)
    # If time ends before the first score, the present weights are kept. If it ends
    # within the first epoch of this call, weights of an earlier call stay.
    is_unscored = len(state.epochs) > begun and history.best(state.epochs) is None
    has_weights = (fold.folder / checkpoint.BEST).is_file()
    if hosts.is_first() and end.is_late and (is_unscored or not has_weights):
        with weights.moving_average(model):
            checkpoint.save_best_weights(fold.folder, fold.network, fold.owner)


def _check_finite(
    watch: callbacks.WatchSteps, data: training_data.TrainingData
) -> None:
    """Raise an error that names the slices of a step that was not finite."""
    if watch.step is None:
        return
    ids = data.ids(watch.epoch * data.steps + watch.step)
    fault = "The weights are not finite"
    if not math.isfinite(watch.loss):
        fault = f"The loss is {watch.loss}"
    raise _NotFinite(
        f"{fault} at step {watch.step + 1} of epoch {watch.epoch + 1}, in the "
        f"slices {', '.join(ids)}. Lower `training.learning_rate`, or look for "
        "broken intensities in these slices. The epochs before are kept."
    )


def _use_less_memory(fold: setup.FoldTraining, state: checkpoint.TrainingState) -> None:
    """Take the scans off the device, or else halve the batch."""
    hosts.have_no_memory()
    if fold.data.leave_device(fold.config):
        console.warn(
            "The device has no memory for a batch beside the scans. From now on the "
            "CPU gathers the batches, which is slower."
        )
        return
    state.halvings += 1
    adjusted = _adjusted(fold.config, state).training
    console.warn(
        "The device has no memory for the batch. Going on with "
        f"{adjusted.batch} slices at a time and {adjusted.accumulate} batches a step, "
        f"{adjusted.batch * adjusted.accumulate} slices a step at a learning rate of "
        f"{adjusted.learning_rate:g}."
    )


def _possible(halvings: int, config: configs.Config) -> int:
    """Return `halvings`, or fewer, so that a batch has a slice for each device here.

    A state may come from fewer devices, which had to halve the batch more often.
    """
    most = config.training.batch // _sharing(config.training)
    return min(halvings, max(0, most.bit_length() - 1))


def _sharing(training: schema.Training) -> int:
    """Return how many devices, of all hosts, share a batch."""
    return devices.sharing(training.gpus, devices.find()) * hosts.count()


def _adjusted(
    config: configs.Config, state: checkpoint.TrainingState
) -> configs.Config:
    """Return the config with the batch that fits into memory, and the rate to use.

    A smaller batch is accumulated more often, so that a step sees as many slices. If
    gradients cannot be accumulated, the rate falls with the batch.
    """
    training, divisor = config.training, 2**state.halvings
    device = devices.find()
    accumulates = devices.accumulates(training.gpus, device)
    devices.check_batch(training.batch, training.gpus, device)
    sharing = _sharing(training)
    # All devices that share a batch take the same number of its slices.
    batch = training.batch // divisor // sharing * sharing
    if not batch:
        raise devices.no_memory("a single slice")
    if training.accumulate > 1 and not accumulates:
        raise ValueError(
            "TensorFlow cannot accumulate gradients on mirrored GPUs. Received: "
            f"training.accumulate={training.accumulate}. Set training.accumulate=1, "
            'training.gpus="one", or KERAS_BACKEND=jax.'
        )
    slower = (2 if state.slowed else 1) * (1 if accumulates else divisor)
    changes = {
        "batch": batch,
        "accumulate": training.accumulate * (divisor if accumulates else 1),
        "learning_rate": training.learning_rate / slower,
    }
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def compiled(
    network: keras.Model,
    config: configs.Config,
    data: training_data.TrainingData,
    first: int,
    xla: bool,
) -> step.TrainingStep:
    """Build the training step of a network, whose optimizer begins at batch `first`."""
    scales_loss = keras.config.dtype_policy().name == "mixed_float16"
    model = step.TrainingStep(
        network,
        losses.build(config.loss, softmax=config.model.softmax),
        keeps_last=scales_loss,
        scans=data.scans,
        waiting=data.waiting,
    )
    optimizer = schedules.build_optimizer(
        config.training, steps=data.steps, first=first
    )
    if (share := config.training.encoder_rate) != 1:
        encoder = network.get_layer("encoder")
        schedules.slow_down(optimizer, encoder.trainable_variables, share)
    if scales_loss:
        # `compile` would do this if the step itself were not float32.
        optimizer = loss_scale.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=xla)
    return model
