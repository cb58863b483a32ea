"""Show the progress of a run's folds while they train, only from its files.

So it works from another terminal, or on another machine that mounts the folder.
"""

import contextlib
import math
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich import console, live

from competition.core import storage
from competition.core.experiment import history
from competition.study.watch import display, reading

SECONDS = 2.0
# The width of a log, which has none of its own.
LOG_WIDTH = 120


def run(root: pathlib.Path, *, once: bool, out: console.Console | None = None) -> None:
    """Show the run in folder `root`, and a blend's members, until all are done.

    The run may not have begun. With `once`, or without a terminal, it is shown once, as
    it is now. Ctrl-C ends it.
    """
    out = out or console.Console()
    reader = reading.Reader(root)
    if once or not out.is_terminal:
        if not out.is_terminal:
            out.width = LOG_WIDTH
        out.print(_view(reader, reader.members(), out))
        return
    refreshed = time.monotonic()
    try:
        with live.Live(console=out, auto_refresh=False) as shown:
            while True:
                refreshed = _refresh(root, refreshed)
                members = reader.members()
                shown.update(_view(reader, members, out), refresh=True)
                if _is_done(members):
                    return
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        pass


@contextlib.contextmanager
def below(root: pathlib.Path, out: console.Console) -> Iterator[Callable[[], None]]:
    """Show a run below what the block prints, if there is a terminal.

    The block calls the function again and again to update it.
    """
    if not out.is_terminal:
        yield lambda: None
        return
    reader, drawn, refreshed = reading.Reader(root), -math.inf, time.monotonic()
    with live.Live(console=out, auto_refresh=False) as shown:

        def show() -> None:
            nonlocal drawn, refreshed
            if time.monotonic() - drawn > SECONDS:
                refreshed = _refresh(root, refreshed)
                shown.update(_view(reader, reader.members(), out), refresh=True)
                drawn = time.monotonic()

        yield show
        drawn = -math.inf
        show()


def now(root: pathlib.Path) -> dict[str, Any]:
    """Return the progress of each fold of a run and of its members."""
    members = reading.Reader(root).members()
    return {
        "run": str(root),
        "left": reading.left(members),
        "members": {
            member.name: {
                "faults": member.faults,
                "folds": {str(fold.name): _fold(fold) for fold in member.folds},
            }
            for member in members
        },
    }


def newest(work: pathlib.Path) -> pathlib.Path:
    """Return the folder of the run below `work` that was written to last."""
    runs = list(work.glob("*/runs/*/config.json"))
    if not runs:
        raise ValueError(
            f"{work}: expected a run, such as {work}/<dataset>/runs/<experiment>. "
            "Received: none. Train one first, or name the run's folder."
        )
    return max((path.parent for path in runs), key=_written)


def _written(root: pathlib.Path) -> float:
    """Return the time at which the training of a run last wrote a file."""
    paths = [root / "config.json", *root.glob("fold*/history.csv")]
    paths += root.glob(".fold*.heartbeat")
    times = []
    for path in paths:
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            pass  # The fold has just ended.
    return max(times, default=0.0)


def _view(
    reader: reading.Reader, members: list[reading.Member], out: console.Console
) -> console.Group:
    return display.show(members, title=reader.root.absolute().name, out=out)


def _refresh(root: pathlib.Path, before: float) -> float:
    """Refresh a run that mirrors a storage, if that was long ago; return when."""
    if time.monotonic() - before < storage.BEAT_SECONDS:
        return before
    storage.refresh(root.parent)
    return time.monotonic()


def _is_done(members: list[reading.Member]) -> bool:
    states = [fold.state for member in members for fold in member.folds]
    return bool(states) and set(states) == {"done"}


def _fold(fold: reading.Fold) -> dict[str, Any]:
    return {
        "state": fold.state,
        "epoch": len(fold.rows),
        "epochs": fold.epochs,
        "score": fold.score,
        "best": history.best(fold.rows),
        "left": fold.left,
        "last": fold.rows[-1] if fold.rows else None,
        "now": fold.beat,
    }
