"""Train one fold of a run, and tell how far it is."""

from typing import TYPE_CHECKING, Any

from competition.core import console, files
from competition.core.data import arrays, slice_table
from competition.core.experiment import history, layout, runs
from competition.machine import deadline

if TYPE_CHECKING:
    import pandas as pd


def train(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    fold: int,
    limit: deadline.Deadline | None,
) -> None:
    """Train a fold to its end, or until `limit`; the next call goes on from there."""
    if limit and not limit.allows(0):
        console.note(f"fold {fold}: no time left")
        return
    # Loading the framework takes seconds: not where there is nothing to train.
    from competition.net.input import tensorflow_dataset
    from competition.net.training import fitting, progress, setup, validation

    table = slice_table.read(dataset.slices)
    store = arrays.Arrays(dataset)
    chosen = slice_table.training(table, fold)
    _check(chosen, store, fold)
    lines = progress.FoldProgress(fold, run.config.training.epochs)
    folder = run.files.fold(fold)
    with (
        files.locked(folder, doing=f"training fold {fold}"),
        setup.network(run, fold) as network,
    ):
        epochs = fitting.fit(
            fitting.FoldTraining(
                network=network,
                config=run.config,
                data=tensorflow_dataset.TrainingData(chosen, store),
                held_out=validation.HeldOutScans(
                    slice_table.held_out(table, fold), store, run
                ),
                lines=lines,
                folder=folder,
                limit=limit,
            )
        )
    if not _is_over(run, epochs):
        lines.stopped(len(epochs))


def is_finished(run: runs.Run, fold: int) -> bool:
    """Return whether a fold is trained to its end and its weights are there."""
    epochs = history.read(run.files.history(fold))
    return _is_over(run, epochs) and run.files.weights(fold).is_file()


def summary(run: runs.Run, fold: int) -> dict[str, Any]:
    """Return a fold's number of epochs, its best score, and whether it is finished."""
    epochs = history.read(run.files.history(fold))
    return {
        "epochs": len(epochs),
        "score": history.best(epochs),
        "finished": is_finished(run, fold),
    }


def _is_over(run: runs.Run, epochs: list[history.Epoch]) -> bool:
    training = run.config.training
    return history.is_over(epochs, epochs=training.epochs, patience=training.patience)


def _check(table: "pd.DataFrame", store: arrays.Arrays, fold: int) -> None:
    """Refuse a fold without slices or masks to learn from, before the first step."""
    if table.empty:
        raise ValueError(
            f"Fold {fold} has no slices to train on: every other case is faulty or "
            "there is none. Prepare with more cases or fewer folds."
        )
    if not any(store.masks(scan).any() for scan in slice_table.scans(table)):
        raise ValueError(
            f"Fold {fold} has no mask to learn from: in its {len(table)} slices of "
            f"{len(slice_table.scans(table))} scans nothing is annotated. Expected at "
            "least one. Prepare with more cases or fewer folds, or correct train.csv."
        )
