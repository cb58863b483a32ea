"""Step 2: train the folds of a run; the best weights of each are kept."""

import functools
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

from competition.core import console, files
from competition.core.data import arrays, slices
from competition.core.experiment import history, layout, runs
from competition.machine import deadline, process
from competition.net import devices


def run(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: int | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Train all folds of the run, or only `fold`; a finished fold is left as it is.

    A `budget` such as "8h30m" is divided among the folds; what it does not reach is
    left for the next call. A blend has nothing to train, but its members must be.
    """
    limit = deadline.Deadline(deadline.parse(budget)) if budget else None
    if run.config.members:
        return {"folds": {}, "members": _members(run)}
    folds = run.config.folds if fold is None else (fold,)
    if not set(folds) <= set(run.config.folds):
        raise ValueError(
            f"--fold {fold} is none of the run's folds "
            f"{list(run.config.folds)}. Choose one of them."
        )
    left = [each for each in folds if not _is_finished(run, each)]
    _train_all(dataset, run, left, limit)
    return {"folds": {each: _summary(run, each) for each in folds}}


def _members(run: runs.Run) -> list[str]:
    """The names of a blend's runs, whose folds are all finished."""
    for source in runs.sources(run):
        missing = [k for k in source.config.folds if not _is_finished(source, k)]
        if missing:
            raise ValueError(
                f"{run.name} is made of {source.name}, whose folds {missing} are not "
                f"trained to the end. Train the experiment {source.name} first."
            )
    runs.trained(run)
    return list(run.config.members)


def _is_finished(run: runs.Run, fold: int) -> bool:
    """Whether the history is complete; it is written after the best weights."""
    epochs = history.read(run.files.history(fold))
    return _is_over(run, epochs) and run.files.weights(fold).is_file()


def _is_over(run: runs.Run, epochs: list[history.Epoch]) -> bool:
    training = run.config.training
    return history.is_over(epochs, epochs=training.epochs, patience=training.patience)


def _summary(run: runs.Run, fold: int) -> dict[str, Any]:
    epochs = history.read(run.files.history(fold))
    return {
        "epochs": len(epochs),
        "score": history.best(epochs),
        "finished": _is_finished(run, fold),
    }


def _train_all(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    folds: list[int],
    limit: deadline.Deadline | None,
) -> None:
    """Train folds one after the other, each in its process, or one a GPU."""
    settings = run.config.training
    if not settings.fresh_process or len(folds) < 2:
        for index, fold in enumerate(folds):
            _train(dataset, run, fold, _part(limit, len(folds) - index))
        return
    gpus = devices.gpus() if settings.gpus in {"auto", "folds"} else []
    places = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{}]

    def code(index: int) -> str:
        rounds = -(-(len(folds) - index) // len(places))
        return _code(dataset, run, folds[index], _part(limit, rounds))

    codes = [functools.partial(code, index) for index in range(len(folds))]
    process.run_all(codes, places)


def watched(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    *,
    fold: int,
    limit: deadline.Deadline | None,
    go_on: Callable[[], bool],
) -> None:
    """Train one fold in a process of its own, which is ended once `go_on` says no.

    `go_on` is asked again and again. As after any kill, the next call goes on.
    """
    if not _is_finished(run, fold):
        code = functools.partial(_code, dataset, run, fold, limit)
        process.run_all([code], [{}], go_on=go_on)


def _code(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    fold: int,
    limit: deadline.Deadline | None,
) -> str:
    """What a process of its own is to do."""
    where = str(dataset.root), str(run.files.root), fold
    return (
        "from competition import train\n"
        "from competition.machine import process\n"
        f"process.inside(lambda: train.fold{(*where, limit and limit.left())!r})"
    )


def fold(dataset: str, run: str, fold: int, seconds: float | None) -> None:
    """Train one fold within `seconds`, in a process of its own; folders as text."""
    opened = runs.read(layout.RunFiles(pathlib.Path(run)))
    limit = None if seconds is None else deadline.Deadline(seconds)
    _train(layout.DatasetFiles(pathlib.Path(dataset)), opened, fold, limit)


def _part(limit: deadline.Deadline | None, parts: int) -> deadline.Deadline | None:
    return limit.share(parts) if limit else None


def _train(
    dataset: layout.DatasetFiles,
    run: runs.Run,
    fold: int,
    limit: deadline.Deadline | None,
) -> None:
    """Only here is the framework loaded, which takes seconds."""
    if limit and not limit.allows(0):
        console.note(f"fold {fold}: no time left")
        return
    from competition.net.input import dataset as feed
    from competition.net.training import callbacks, fitting
    from competition.train import setup, validation

    table = slices.read(dataset.slices)
    store = arrays.Arrays(dataset)
    chosen = slices.training(table, fold)
    _check(chosen, store, fold)
    scans = validation.HeldOutScans(slices.held_out(table, fold), store, run)
    data = feed.TrainingData(chosen, store)
    folder = run.files.fold(fold)
    say = _Progress(run, fold)
    with (
        files.alone(folder, doing=f"training fold {fold}"),
        setup.network(run, fold) as network,
    ):
        epochs = fitting.fit(
            network,
            run.config,
            train=data.batches,
            folder=folder,
            hooks=callbacks.Hooks(
                score=scans.score,
                progress=say.epoch,
                pulse=say.pulse,
                sample=lambda network, epoch: scans.draw(
                    network, folder / "samples" / f"epoch{epoch + 1:03d}.png"
                ),
                ids=lambda config, number: data.ids(number),
            ),
            limit=limit,
        )
    if not _is_over(run, epochs):
        say.late(len(epochs))


def _check(table: Any, store: arrays.Arrays, fold: int) -> None:
    """What a fold learns from; said before the first step."""
    if table.empty:
        raise ValueError(
            f"Fold {fold} has no slices to train on: every other case is faulty or "
            "there is none. Prepare with more cases or fewer folds."
        )
    if not any(store.masks(scan).any() for scan in slices.scans(table)):
        raise ValueError(
            f"Fold {fold} has no mask to learn from: in its {len(table)} slices of "
            f"{len(slices.scans(table))} scans nothing is annotated. Expected at least "
            "one. Prepare with more cases or fewer folds, or correct train.csv."
        )


class _Progress:
    """Says a line an epoch, readable in a log as well as on a terminal."""

    def __init__(self, run: runs.Run, fold: int) -> None:
        self.total = run.config.training.epochs
        self.fold = fold
        self.seconds: list[float] = []
        self.scoring: list[float] = []

    def epoch(self, row: history.Epoch) -> None:
        """Say what an epoch brought and when the last one will end."""
        self.seconds.append(row["seconds"])
        self.scoring.append(row.get("scoring") or 0.0)
        share = sum(self.scoring) / max(sum(self.seconds), 1e-9)
        left = self.total - row["epoch"] - 1
        eta = deadline.show(statistics.fmean(self.seconds[-5:]) * left)
        text = f"epoch {row['epoch'] + 1}/{self.total}  loss {row['loss']:.4f}"
        for name, value in (("score", row["score"]), ("mean", row.get("mean_score"))):
            text += "" if value is None else f"  {name} {value:.4f}"
        text += f"  {row['seconds']:.1f} s (scoring {share:.0%})"
        self.pulse(text + (f"  {eta} left" if left else ""))

    def pulse(self, text: str) -> None:
        """Say something about the fold."""
        console.note(f"fold {self.fold}: {text}")

    def late(self, done: int) -> None:
        """Say how far it got."""
        self.pulse(
            f"stopped in time after {done} of {self.total} epochs. Run the same again: "
            "it goes on from there."
        )
