"""Step 2: train the folds of a run; the best weights of each are kept."""

import functools
from typing import Any

import numpy as np

from competition.core import (
    arrays,
    console,
    history,
    layout,
    metric,
    rules,
    runs,
    slices,
)


def run(
    dataset: layout.Dataset, run: runs.Run, *, fold: int | None = None
) -> dict[str, Any]:
    """Train all folds of the run, or only `fold`; a finished fold is left as it is."""
    folds = run.config.folds if fold is None else (fold,)
    if not set(folds) <= set(run.config.folds):
        raise ValueError(
            f"--fold {fold} is none of the run's folds "
            f"{list(run.config.folds)}. Choose one of them."
        )
    for each in folds:
        # Only then is the framework loaded, which takes seconds.
        if not _is_finished(run, each):
            _train(dataset, run, each)
    return {"folds": {each: _summary(run, each) for each in folds}}


def _is_finished(run: runs.Run, fold: int) -> bool:
    """Whether the history is complete; it is written after the best weights."""
    epochs = len(history.read(run.files.history(fold)))
    return epochs >= run.config.training.epochs and run.files.weights(fold).is_file()


def _summary(run: runs.Run, fold: int) -> dict[str, Any]:
    epochs = history.read(run.files.history(fold))
    return {"epochs": len(epochs), "score": history.best(epochs)}


def _train(dataset: layout.Dataset, run: runs.Run, fold: int) -> None:
    from competition.net import build, training
    from competition.net import dataset as feed

    table = slices.read(dataset.slices)
    store = arrays.Arrays(dataset)
    chosen = slices.training(table, fold)
    if chosen.empty:
        raise ValueError(
            f"Fold {fold} has no slices to train on: every other case is faulty or "
            "there is none. Prepare with more cases or fewer folds."
        )
    training.seed(run.config.seed + fold)
    network = build.build(run.config, classes=len(run.classes))
    score = _Score(slices.held_out(table, fold), store, run)
    training.fit(
        network,
        run.config,
        train=functools.partial(feed.training, chosen, store, run.config),
        folder=run.files.fold(fold),
        score=score,
        progress=lambda row: console.note(f"fold {fold}: {_line(row, run)}"),
    )


class _Score:
    """Scores a network on the held-out scans with a fixed cheap rule."""

    def __init__(self, table: Any, store: arrays.Arrays, run: runs.Run) -> None:
        self.table, self.store, self.run = table, store, run
        self.truth = {scan: store.masks(scan) for scan in slices.scans(table)}

    def __call__(self, network: Any) -> float:
        from competition.net import inference

        rule = [rules.Rule()] * len(self.run.classes)
        measured = {}
        for scan, rows in self.table.groupby("scan", sort=False):
            probability = inference.predict_scan(
                [network],
                self.store.scan(scan),
                slices.windows(rows, self.run.config.intensity),
                self.run.config,
            )
            predicted = rules.apply(np.rint(probability * 255), rule)
            measured[scan] = metric.measure(
                self.truth[scan], predicted, classes=len(self.run.classes)
            )
        return metric.summarise(measured, self.run.classes)["score_per_class"] or 0.0


def _line(row: history.Epoch, run: runs.Run) -> str:
    score = "" if row["score"] is None else f"  score {row['score']:.4f}"
    return (
        f"epoch {row['epoch'] + 1}/{run.config.training.epochs}  "
        f"loss {row['loss']:.4f}{score}  {row['seconds']:.1f} s"
    )
