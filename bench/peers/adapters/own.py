"""This project: an experiment by name or path, with the epochs that the budget holds.

A few steps are timed before the first epoch, inside the budget. What is predicted gets
no rules of `decide`, which are searched on the scans that are held out here.
"""

import dataclasses
import pathlib
from typing import Any

import keras
import numpy as np

from bench.peers import clock, volumes
from competition import opening
from competition.core import axes, blending, masks, probabilities, rules
from competition.core.data import arrays, slice_table
from competition.core.experiment import layout, runs
from competition.machine import deadline
from competition.net.inference import scan_predictor, trained_network
from competition.net.input import training_data
from competition.net.training import fitting, progress, setup

PACKAGES = ("keras", "tensorflow")
# The first steps compile.
WARM_UP, TIMED = 2, 5


def train(task: volumes.Task, its: clock.Clock) -> volumes.Predict:
    """Train the experiment on the fold; its weights are those of the last epoch."""
    about, fold = task.settings, task.settings["fold"]
    dataset, run = _open(task)
    table, store = slice_table.read(dataset), arrays.Arrays(dataset)
    rows = slice_table.held_out(table, fold)
    chosen = slice_table.training(table, fold)
    data = training_data.TrainingData(*axes.turned(chosen, store, run.config.axis))
    epochs = _epochs(run, fold, data, its)
    settings = run.config.training.model_copy(update={"epochs": epochs})
    config = run.config.model_copy(update={"training": settings})
    run = dataclasses.replace(run, config=config)
    folder = run.files.fold(fold)
    folder.mkdir(parents=True)
    with setup.network(run, fold) as network:
        fitting.fit(
            setup.FoldTraining(
                network=network,
                config=config,
                data=data,
                held_out=_Evaluations(its, _predictor(run, network, rows, store)),  # type: ignore[arg-type]
                lines=progress.FoldProgress(about["experiment"], epochs, None),
                folder=folder,
                owner=runs.owner(run, fold),
                limit=deadline.Deadline(its.seconds - its.spent(), its.spent),
            )
        )
    return _predictor(run, trained_network.load(run, fold), rows, store)


def _open(task: volumes.Task) -> tuple[layout.DatasetFiles, runs.Run]:
    """Open a run of the experiment, whose files lie in the task's folder."""
    about = task.settings
    # Evaluated by the clock alone, and never chosen on the scans that are held out.
    overrides = (
        f"folds=[{about['fold']}]",
        "training.score_every=1",
        "training.keep=last",
        "training.patience=0",
        "training.tensorboard=false",
    )
    dataset, run = opening.open_training(
        about["experiment"],
        data=pathlib.Path(about["data"]),
        work=pathlib.Path(about["work"]),
        overrides=overrides,
        name=f"peers_{pathlib.Path(about['experiment']).stem}",
    )
    if run.config.members:
        raise ValueError(
            f"{about['experiment']} is a blend; a peer is one network. Name a member."
        )
    return dataset, dataclasses.replace(run, files=layout.RunFiles(task.folder / "run"))


def _epochs(
    run: runs.Run, fold: int, data: training_data.TrainingData, its: clock.Clock
) -> int:
    """Time a few steps on a network of its own; return the epochs the budget holds."""
    settings = run.config.training.model_copy(update={"epochs": WARM_UP + TIMED})
    config = run.config.model_copy(update={"training": settings})
    times: list[float] = []
    # In one call, since each call traces, longer than the steps of a 3D network take.
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: times.append(its.spent())
    )
    with setup.network(run, fold) as network, data.batches(config) as batches:
        model = fitting.compiled(network, config, data, 0, False)
        model.fit(
            batches,
            steps_per_epoch=WARM_UP + TIMED,
            shuffle=False,
            verbose=0,
            callbacks=[watch],
        )
    step = (times[-1] - times[WARM_UP - 1]) / TIMED
    return max(1, int((its.seconds - its.spent()) / (step * data.steps)))


class _Evaluations:
    """It replaces the scoring of held-out scans: asks the clock, and scores nothing."""

    def __init__(self, its: clock.Clock, predict: volumes.Predict) -> None:
        self.its, self.predict = its, predict

    def score(self, network: keras.Model) -> None:
        """Evaluate if the clock says so; the network has its mean weights now."""
        self.its.goes_on(self.predict)


def _predictor(
    run: runs.Run, network: keras.Model, rows: Any, store: arrays.Arrays
) -> volumes.Predict:
    """Return a function that predicts by the network, in the views of `submit`."""
    member = scan_predictor.Member(run.name, run.config, {0: network})
    predictor = scan_predictor.ScanPredictor([member])
    grids, intensity = slice_table.grids(rows), run.config.intensity
    classes = len(run.classes)

    def predict(scan: volumes.Scan) -> np.ndarray:
        of_scan = rows[rows["scan"] == scan.name].sort_values("index")
        windows = {intensity: slice_table.windows(of_scan, intensity)}
        volume, grid = store.scan(scan.name), grids[scan.name]
        found: probabilities.Prediction = predictor.predict(volume, windows, grid)[
            run.name
        ]
        predictions = blending.MemberPredictions(
            [found], exclusive=run.config.model.softmax
        )
        bits = blending.decide(predictions, [rules.Rule()] * classes)
        labels = np.zeros(bits.shape, np.uint8)
        # If sigmoids overlap, the more probable class is kept.
        best = found.probability.argmax(axis=-1)
        for index in range(classes):
            mask = masks.plane(bits, index)
            labels[mask & ((labels == 0) | (best == index))] = index + 1
        return labels

    return predict
