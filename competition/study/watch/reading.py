"""Read the progress of a run's folds, only from its files.

A file may be missing, half-written or damaged: the rest is read, and the fault told.
"""

import dataclasses
import math
import pathlib
import statistics
import time
from collections.abc import Sequence
from typing import Literal

from competition.core import files
from competition.core.experiment import configs, heartbeat, history, layout, runs

State = Literal["waiting", "starting", "training", "scoring", "stopped", "done"]
ALIVE: tuple[State, ...] = ("starting", "training", "scoring")


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """A fold: its epochs so far, and how many it will have, None if that is unknown.

    `left` are the seconds until its last epoch ends, `score` is that of the weights
    that it keeps. `beat` says what it does now, if a process trains it.
    """

    name: layout.Fold
    state: State
    rows: list[history.Epoch]
    epochs: int | None
    score: float | None
    left: float | None
    beat: heartbeat.Beat | None


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A run with folds: the one that is watched, or one that it predicts with."""

    name: str
    folds: list[Fold]
    faults: list[str]


class Reader:
    """Read a run again and again, and remember its last sound config."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self._configs: dict[pathlib.Path, configs.Config] = {}
        # For each heartbeat, its time of writing and when that was seen to change.
        self._written: dict[pathlib.Path, tuple[int, float]] = {}

    def members(self) -> list[Member]:
        """Return all runs that are trained for this one, in their order."""
        config, fault = self._config(self.root)
        if not config:
            return [self._member(self.root, None, fault)]
        own = [] if config.members else [self.root.name]
        names = [*own, *config.members, *config.gate]
        roots = [self.root.parent / layout.plain(name) for name in dict.fromkeys(names)]
        return [
            self._member(self.root if root.name == self.root.name else root, *found)
            for root in roots
            for found in [self._config(root)]
        ]

    def _config(self, root: pathlib.Path) -> tuple[configs.Config | None, str]:
        """Return a run's last sound config, and what is wrong with its config now."""
        try:
            self._configs[root] = runs.read(layout.RunFiles(root)).config
        except (OSError, ValueError) as error:
            return self._configs.get(root), str(error)
        return self._configs[root], ""

    def _member(
        self, root: pathlib.Path, config: configs.Config | None, fault: str
    ) -> Member:
        paths, faults, folds = layout.RunFiles(root), [fault] if fault else [], []
        for name in config.folds if config else _seen(root):
            try:
                rows, damage = _rows(paths.history(name))
            except (OSError, ValueError) as error:
                rows, damage = [], str(error)
            faults += [damage] if damage else []
            folds.append(self._fold(paths, name, rows, config))
        return Member(root.absolute().name, with_pace_of_others(folds), faults)

    def _fold(
        self,
        paths: layout.RunFiles,
        name: layout.Fold,
        rows: list[history.Epoch],
        config: configs.Config | None,
    ) -> Fold:
        path, training = paths.heartbeat(name), config.training if config else None
        beat = heartbeat.read(path) if self._is_fresh(path) else None
        state: State = "stopped" if rows else "waiting"
        if (
            training
            and history.is_over(rows, training)
            and paths.weights(name).exists()
        ):
            state, beat = "done", None
        elif beat:
            state = next((each for each in ALIVE if each == beat["doing"]), "training")
        epochs = training.epochs if training else None
        return Fold(
            name=name,
            state=state,
            rows=rows,
            epochs=epochs,
            score=history.kept(rows, training.keep if training else "best"),
            left=0.0 if state == "done" else _left(rows, epochs, beat),
            beat=beat,
        )

    def _is_fresh(self, path: pathlib.Path) -> bool:
        """Return whether a heartbeat is young, or was seen to change just now.

        The clock of another machine may differ from this one's.
        """
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            return False
        before, changed = self._written.get(path, (written, -math.inf))
        if written != before:
            changed = time.monotonic()
        self._written[path] = written, changed
        seen = time.monotonic() - changed
        return min(seen, heartbeat.age(path)) < heartbeat.FRESH_SECONDS


def _seen(root: pathlib.Path) -> Sequence[layout.Fold]:
    """Return the folds that have files, for a run without a sound config."""
    names = {path.parent.name for path in root.glob("fold*/history.csv")}
    names |= {path.stem.removeprefix(".") for path in root.glob(".fold*.heartbeat")}
    found = sorted(name.removeprefix("fold") for name in names)
    return [
        layout.parse_fold(name) for name in found if name == "all" or name.isdecimal()
    ]


def _rows(path: pathlib.Path) -> tuple[list[history.Epoch], str]:
    """Return the sound rows of a history, and what is wrong with the others."""
    if not files.exists(path):
        return [], ""
    rows, fault = history.read_sound(path)
    where = f"{path}: not read after epoch {len(rows)}"
    return rows, f"{where} ({fault!r})" if fault else ""


def _pace(rows: list[history.Epoch], beat: heartbeat.Beat | None) -> float | None:
    if rows:
        return statistics.fmean(row["seconds"] for row in rows[-5:])
    if beat and beat.get("step"):
        return beat["seconds"] / beat["step"] * beat["steps"]
    return None


def _left(
    rows: list[history.Epoch], epochs: int | None, beat: heartbeat.Beat | None
) -> float | None:
    pace = _pace(rows, beat)
    if pace is None or epochs is None:
        return None
    begun = beat.get("seconds", 0.0) if beat and beat.get("epoch") == len(rows) else 0.0
    return max(0, epochs - len(rows)) * pace - min(begun, pace)


def with_pace_of_others(folds: list[Fold]) -> list[Fold]:
    """Estimate the time of folds that have not begun from that of the others."""
    paces = [pace for fold in folds if (pace := _pace(fold.rows, fold.beat))]
    if not paces:
        return folds
    pace = statistics.fmean(paces)
    return [
        dataclasses.replace(fold, left=pace * fold.epochs)
        if fold.left is None and fold.epochs
        else fold
        for fold in folds
    ]


def left(members: Sequence[Member]) -> float | None:
    """Return the seconds until all folds are done, if as many train at once as now.

    Return None if no process trains, or if a run has no pace yet.
    """
    folds = [fold for member in members for fold in member.folds]
    alive = sum(fold.state in ALIVE for fold in folds)
    times = [fold.left for fold in folds]
    known = [each for each in times if each is not None]
    if not alive or len(known) < len(times):
        return None
    # Other processes cannot help with the last fold.
    return max(sum(known) / alive, max(known))
