"""Trains a fold while killing it: `-m tests.soak.kill RUN KILLS SECONDS`.

SECONDS is about what an epoch takes. It is killed within an epoch, while a file is
written, and at the start, in turn. Prints how many epochs were finished at each kill.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time
from collections.abc import Callable

from competition import pipeline, train
from competition.core.experiment import history
from competition.net.inference import trained_network  # noqa: F401  loaded before a fork
from competition.net.training import fitting, setup  # noqa: F401


def main(run: str, kills: str, epoch: str) -> None:
    """Kill as often as asked, then let it end."""
    folder = pathlib.Path(run, "fold0")
    draw = random.Random(0)
    moments = [in_an_epoch, while_it_writes, in_an_epoch, at_the_start]
    epochs: list[int] = []
    while len(epochs) < int(kills):
        child = start(run)
        status = moments[len(epochs) % len(moments)](
            child, folder, draw.uniform(0, float(epoch))
        )
        if status is not None:
            sys.exit(f"it ended by itself, status {status}, after {epochs}")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        epochs.append(len(history.read(folder / "history.csv")))
    _, status = os.waitpid(start(run), 0)
    sys.stdout.write(json.dumps({"killed_after_epochs": epochs}) + "\n")
    sys.exit(bool(status))


def start(run: str) -> int:
    """Train in a child; the libraries are there, and none has begun to compute."""
    child = os.fork()
    if not child:
        train.run(*pipeline.open_run(pathlib.Path(run)), fold=0)
        os._exit(0)
    return child


def at_the_start(child: int, folder: pathlib.Path, seconds: float) -> int | None:
    """Wait less than an epoch takes; the status where it ended by itself."""
    return wait(child, lambda: False, seconds=seconds)


def in_an_epoch(child: int, folder: pathlib.Path, seconds: float) -> int | None:
    """Wait for the end of an epoch, then so long in the next."""
    before = len(history.read(folder / "history.csv"))
    status = wait(child, lambda: len(history.read(folder / "history.csv")) > before)
    if status is not None:
        return status
    return wait(child, lambda: False, seconds=seconds)


def while_it_writes(child: int, folder: pathlib.Path, seconds: float) -> int | None:
    """Wait until a state, weights or a history are written aside."""
    before = set(folder.glob(".*"))
    return wait(child, lambda: bool(set(folder.glob(".*")) - before))


def wait(child: int, until: Callable[[], bool], *, seconds: float = 600) -> int | None:
    """Wait for something, so long at most; the status where the child ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.0005)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
