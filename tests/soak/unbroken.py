"""A run that nothing disturbs: its files, its results, and the time of each step."""

import json
import pathlib
import shutil
import time
from typing import Any

import numpy as np

from competition.core.experiment import history
from tests.soak import commands

OVERRIDES = (
    "augment.engine=none",
    "training.ema=0.8",
    "training.epochs=4",
    "training.swa_epochs=2",
    "training.score_every=2",
    "folds=[0]",
    # Most of the time is tracing the network, so it has a single level.
    "model.widths=[4]",
)


class Run:
    """A case below `root` with a whole run, and a copy of it to return to."""

    def __init__(self, root: pathlib.Path) -> None:
        self.case, self._copy = root / "case", root / "copy"
        commands.write_case(self.case, OVERRIDES)
        self.seconds = _timed(self.case)
        self.expected = _results(self.case)
        shutil.copytree(self.case / commands.WORK, self._copy)

    def restore(self, work: pathlib.Path, *missing: str) -> None:
        """Make `work` the whole run's work folder, without some files of the run."""
        for path in work.iterdir() if work.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._copy, work, dirs_exist_ok=True)
        for name in missing:
            path = work / pathlib.Path(commands.RUN).relative_to(commands.WORK) / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def differences(self, when: str, *, partly: bool = False) -> list[str]:
        """Return what differs from the whole run's results.

        With work done `partly`, results may be missing and a fold unfinished.
        """
        made = _results(self.case)
        names = made.keys() | self.expected.keys()
        if partly:
            names = {name for name in made if "fold" not in name}
        return [
            f"{name} differs from the unbroken run's, {when}"
            for name in sorted(names)
            if self.expected.get(name) != made.get(name)
        ]


def step(words: str) -> str:
    """Return the step that a run has begun last, by its words."""
    return _steps(words)[-1]


def _steps(words: str) -> list[str]:
    """Return the steps that a run has begun."""
    marks = [line for line in words.splitlines() if line.startswith("== ")]
    return ["prepare", *(mark.removeprefix("== ") for mark in marks)]


def read(path: pathlib.Path) -> str:
    """Read the words of a process that may still be writing them."""
    return path.read_text("utf-8", "replace")


def _timed(case: pathlib.Path) -> dict[str, float]:
    said = case.parent / "unbroken.txt"
    child = commands.start(commands.STEPS["run"], case, said)
    starts: dict[str, float] = {"prepare": time.monotonic()}
    code = None
    while code is None:
        code = commands.wait(child, lambda: step(read(said)) not in starts)
        # A step may have ended before this process had its turn.
        for begun in _steps(read(said)):
            starts.setdefault(begun, time.monotonic())
    if code:
        raise ValueError(read(said))
    return dict(zip(starts, np.diff([*starts.values(), time.monotonic()]), strict=True))


def _results(case: pathlib.Path) -> dict[str, Any]:
    """Return what a run made: bytes, and of files with times in them the rest."""
    work, run = case / commands.WORK, case / commands.RUN
    made: dict[str, Any] = {}
    for path in sorted(work.rglob("*")):
        if path.suffix in {".npy", ".json", ".h5"} or path.name in {
            "submission.csv", "slices.csv",
        }:  # fmt: skip
            made[str(path.relative_to(work))] = path.read_bytes()
    for path in sorted(run.glob("oof/*.npz")):
        made[path.name] = {k: v.tobytes() for k, v in _arrays(path).items()}
    for fold in sorted(run.glob("fold*")):
        rows = history.read(fold / "history.csv")
        made[f"{fold.name}/history"] = [
            row | {"seconds": 0, "scoring": 0, "memory": 0, "waiting": 0}
            for row in rows
        ]
        if (fold / "state.npz").is_file():
            # Its variables are gone; the losses of all epochs depend on them.
            about = json.loads(_arrays(fold / "state.npz")["about"].item())
            made[f"{fold.name}/best"] = about["best"]
    return made


def _arrays(path: pathlib.Path) -> dict[str, Any]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}
