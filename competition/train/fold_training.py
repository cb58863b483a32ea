"""Train one fold in this process, or several in processes of their own."""

import contextlib
import math
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from competition.core import axes, console, files, locks, storage
from competition.core.data import arrays, slice_table
from competition.core.experiment import heartbeat, history, layout, runs
from competition.machine import deadline, memory

if TYPE_CHECKING:
    import pandas as pd


def train(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    fold: layout.Fold,
    limit: deadline.Deadline | None,
) -> None:
    """Train a fold to its end, or until `limit`; the next call goes on from there."""
    if limit and not limit.allows(0):
        console.note(f"{run.name}, fold {fold}: no time left")
        return
    # Imported late: loading the framework takes seconds.
    from competition.net import hosts
    from competition.net.input import training_data
    from competition.net.training import fitting, progress, setup, validation

    folder, training = run.files.fold(fold), run.config.training
    with contextlib.ExitStack() as held:

        def begin() -> tuple[Any, "pd.DataFrame", "pd.DataFrame", arrays.Arrays]:
            heart = _hold(held, dataset, run, fold)
            table, store = slice_table.read(dataset), arrays.Arrays(dataset)
            chosen = slice_table.training(table, fold)
            _check(chosen, store, fold)
            return heart, chosen, slice_table.held_out(table, fold), store

        heart, chosen, held_out, store = hosts.together(begin)
        hosts.same(_about(run))
        is_drawn = training.tensorboard and hosts.is_first()
        board = folder / "tensorboard" if is_drawn else None
        network = held.enter_context(setup.network(run, fold))
        lines = progress.FoldProgress(
            f"{run.name}, fold {fold}", training.epochs, board, heart
        )
        data = training_data.TrainingData(*axes.turned(chosen, store, run.config.axis))
        lines.line(setup.description(run.config, data))
        _check_needs(network, run, lines.line)
        parts = setup.FoldTraining(
            network=network,
            config=run.config,
            data=data,
            held_out=validation.HeldOutScans(held_out, store, run),
            lines=lines,
            folder=folder,
            owner=runs.owner(run, fold),
            limit=limit,
        )
        epochs = fitting.fit(parts)
    if history.is_over(epochs, training):
        lines.ended(epochs, training)
    else:
        lines.stopped(len(epochs))


def _check_needs(network: Any, run: runs.Run, tell: Callable[[str], None]) -> None:
    """Tell what a training needs; raise an error if there is too little memory."""
    from competition.net import devices, hosts, needs

    device = devices.find()
    needed = needs.of(network, run.config, device)
    tell(needs.describe(needed, run.files.root))
    free = memory.available() if device.kind == "cpu" else devices.free_memory()
    hosts.together(lambda: needs.check(needed, run.config, free))


def _hold(
    held: contextlib.ExitStack,
    dataset: layout.DatasetFiles,
    run: runs.Run,
    fold: layout.Fold,
) -> heartbeat.Heartbeat | None:
    """Lock what a fold reads and writes; only host 0 writes and has a heartbeat."""
    from competition.net import devices, hosts

    held.enter_context(locks.locked(dataset.root, doing="training", shared=True))
    # Folds train side by side, but no step reads them meanwhile.
    held.enter_context(locks.locked(run.files.root, doing="training", shared=True))
    heart = None
    if hosts.is_first():
        doing = f"training fold {fold}"
        held.enter_context(locks.locked(run.files.fold(fold), doing=doing))
        heart = held.enter_context(
            heartbeat.Heartbeat(run.files.heartbeat(fold), devices.used_memory)
        )
        _check_writable(run.files.root)
    runs.check_data(run, dataset)
    return heart


def _about(run: runs.Run) -> dict[str, Any]:
    """Return by name what must be the same on all hosts.

    `model.encoder_weights` may differ, since only host 0 reads them.
    """
    about = {"prepared data": run.fingerprint, "classes": list(run.classes)}
    for group, values in run.config.model_dump(mode="json").items():
        named = values if isinstance(values, dict) else {"": values}
        about |= {f"{group}.{key}".strip("."): each for key, each in named.items()}
    del about["model.encoder_weights"]
    return about


def is_finished(run: runs.Run, fold: layout.Fold) -> bool:
    """Return whether a fold is trained to its end and its weights are there."""
    return bool(summary(run, fold)["finished"])


def summary(run: runs.Run, fold: layout.Fold) -> dict[str, Any]:
    """Return a fold's number of epochs, its score, and whether it is finished."""
    epochs = history.read(run.files.history(fold))
    is_over = history.is_over(epochs, run.config.training)
    # `checkpoint.finish` removes state-before.npz last. A fold that still has it is not
    # finished.
    is_closed = not files.exists(run.files.fold(fold) / layout.STATE_BEFORE)
    return {
        "epochs": len(epochs),
        "score": history.kept(epochs, run.config.training.keep),
        "finished": is_over and is_closed and files.exists(run.files.weights(fold)),
    }


def commands(
    folds: Sequence[tuple[runs.Run, layout.Fold]],
    *,
    at_once: int = 1,
    limit: deadline.Deadline | None,
) -> Iterator[list[str]]:
    """Yield Python's arguments to train each fold; `at_once` processes run together.

    Each is made when the turn of its fold comes, with a share of the time still left.
    """
    for index, (run, fold) in enumerate(folds):
        rounds = math.ceil((len(folds) - index) / at_once)
        options = ["--run", storage.name(run.files.root), "--fold", str(fold)]
        budget = deadline.budget(limit and limit.share(rounds))
        if budget:
            options += ["--budget", budget]
        yield ["-m", "competition", "train", *options]


def _check_writable(folder: pathlib.Path) -> None:
    """Raise an error if the folder cannot be written, before an epoch is lost."""
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{folder} cannot be written to. Train in another `work`.")


def _check(table: "pd.DataFrame", store: arrays.Arrays, fold: layout.Fold) -> None:
    """Raise an error, before the first step, if a fold has no mask to learn from."""
    scans = slice_table.scans(table)
    if not any(store.masks(scan).any() for scan in scans):
        raise ValueError(
            f"Fold {fold} has no mask to learn from: in its {len(table)} slices of "
            f"{len(scans)} scans nothing is annotated. Expected at least one. Prepare "
            "with more cases or fewer folds, or correct train.csv."
        )
