"""Take one step on a folder of any size: `-m bench.one_scaled_step STEP ROOT`.

It prints seconds of processor time and of the clock, and the most memory, as JSON.
"""

import itertools
import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from bench import clock
from competition import decide, pipeline, score, submit
from competition.core import masks, probabilities
from competition.core.data import arrays, slice_table
from competition.core.experiment import configs, layout, predicted, runs, starting

SIZE = 96
SMALL = (
    f"geometry.height={SIZE}",
    f"geometry.width={SIZE}",
    "model.widths=[4, 8]",
    "submit.tta=[]",
    "augment.engine=host",
)
NAME = "scale"


def main(step: str, root: pathlib.Path) -> None:
    """Take a step on the folder `root/data`, and print what it took."""
    print(json.dumps(measure(step, root)))


def measure(step: str, root: pathlib.Path) -> dict[str, float]:
    """Take a step; return its processor time, its time, and the most memory so far."""
    work = STEPS[step](root)
    began, used = time.perf_counter(), _processor_seconds()
    work()
    return {
        "cpu": _processor_seconds() - used,
        "clock": time.perf_counter() - began,
        "mib": clock.own_mib(),
    }


def _prepare(root: pathlib.Path) -> Callable[[], object]:
    return lambda: pipeline.prepare(root / "data", work=root / "work")


def _input(root: pathlib.Path) -> Callable[[], object]:
    """Return a function that takes all batches of an epoch: four folds of the data."""
    from competition.net.input import training_data

    config = configs.load("base", SMALL)

    def epoch() -> None:
        table = slice_table.training(slice_table.read(_dataset(root)), 0)
        data = training_data.TrainingData(table, arrays.Arrays(_dataset(root)))
        with data.batches(config) as batches:
            for _ in itertools.islice(batches, data.steps):
                pass

    return epoch


def _guess(root: pathlib.Path) -> Callable[[], object]:
    """Return a function that writes out-of-fold probabilities in place of `predict`."""
    dataset = _dataset(root)
    store = arrays.Arrays(dataset)

    def guess() -> None:
        run, table = _run(dataset), slice_table.read(dataset)
        for fold in run.config.folds:
            made_by = predicted.digest(run, fold)
            for scan in slice_table.scans(slice_table.held_out(table, fold)):
                planes = masks.unpack(np.asarray(store.masks(scan)), len(run.classes))
                seen = _blurred(planes)
                probabilities.write(run.files.oof(scan), seen, digest=made_by)

    return guess


def _decide(root: pathlib.Path) -> Callable[[], object]:
    dataset = _dataset(root)
    return lambda: decide.run(dataset, _run(dataset))


def _score(root: pathlib.Path) -> Callable[[], object]:
    dataset = _dataset(root)
    return lambda: score.of_run(dataset, _run(dataset), data=root / "data")


def _submit(root: pathlib.Path) -> Callable[[], object]:
    """Return a function that predicts the scans again, as those of a test."""
    import competition.net.inference.ensemble  # noqa: F401  # the framework, uncounted

    run = _run(_dataset(root))
    data = root / "test_data"
    if not data.exists():
        data.mkdir()
        (data / "test").symlink_to((root / "data" / "train").resolve())
    return lambda: submit.run(run, data=data, out=root / "submission.csv")


STEPS: dict[str, Callable[[pathlib.Path], Callable[[], object]]] = {
    "prepare": _prepare,
    "input": _input,
    "guess": _guess,
    "decide": _decide,
    "score": _score,
    "submit": _submit,
}


def _dataset(root: pathlib.Path) -> layout.DatasetFiles:
    return layout.dataset(root / "data", root / "work")


def _run(dataset: layout.DatasetFiles) -> runs.Run:
    """Return a run whose five folds were not trained."""
    run = starting.start(dataset, NAME, configs.load("base", SMALL))
    if not run.files.weights(0).exists():
        from competition.net.networks import build

        network = build.build(run.config, len(run.classes))
        for fold in run.config.folds:
            run.files.fold(fold).mkdir(parents=True, exist_ok=True)
            network.save_weights(run.files.weights(fold))
    return run


def _blurred(planes: np.ndarray) -> probabilities.Prediction:
    """Return what a nearly right network would predict for masks (D, H, W, C)."""
    guess = [
        cv2.GaussianBlur(np.roll(plane, 1, 0), (0, 0), 2.0)
        for plane in planes.astype(np.float32)
    ]
    return probabilities.prediction(probabilities.quantise(np.stack(guess)))


def _processor_seconds() -> float:
    """Return the processor time of this process and of those that it has ended."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, who))


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
