"""Work in fresh processes: their memory comes back, and they end with their parent."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence

PACKAGE = pathlib.Path(__file__).parents[2]
POLL_SECONDS = 0.1
# Not the lowest: what holds the interpreter must get on, even on a full machine.
LATER = 10


def step_back() -> None:
    """Let all other threads go before this one where processors are short."""
    # Elsewhere than on Linux a priority is that of the whole process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LATER)


def run_all(
    codes: Sequence[Callable[[], str]],
    environments: Sequence[Mapping[str, str]],
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Run Python codes, each in a process of its own, one at a time an environment.

    A code is made when its turn comes and calls `inside`. What it says on standard
    error passes through; an error in it is raised here with its message. Interrupted,
    or once `go_on`, which is asked again and again, says no, it ends all.
    """
    waiting, free = list(codes), list(environments)
    running: list[_Child] = []
    try:
        while (waiting or running) and go_on():
            while waiting and free:
                running.append(_Child(waiting.pop(0)(), free.pop(0)))
            for child in [each for each in running if each.is_done()]:
                running.remove(child)
                free.append(child.environment)
                child.check()
            time.sleep(POLL_SECONDS)
    finally:
        for child in running:
            child.end()


def inside(work: Callable[[], object]) -> None:
    """Do the work in a process that `run_all` started, and end with its parent."""
    # The parent hears of Ctrl-C as well, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work()
    except (ValueError, OSError) as error:
        sys.stdout.write("\n" + json.dumps({"error": str(error)}))
        sys.exit(1)


class _Child:
    """A process, with a pipe into it and a file for what it prints."""

    def __init__(self, code: str, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.said = tempfile.TemporaryFile()
        path = os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])
        # Not multiprocessing: it would import the caller's script once more.
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=self.said,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )

    def is_done(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> None:
        """Raise what it raised."""
        self.said.seek(0)
        said = self.said.read().decode(errors="replace")
        self.end()
        if self.process.returncode:
            raise ValueError(_message(said, self.process.returncode))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.said.close()


def _end_with_parent() -> None:
    # The other end of the pipe closes when the parent is gone, however it went.
    while os.read(0, 1):
        pass
    os._exit(1)


def _message(said: str, status: int) -> str:
    last = said.splitlines()[-1] if said else ""
    if last.startswith('{"error": '):
        return str(json.loads(last)["error"])
    again = "Run the same again: it goes on where it was."
    if status < 0:
        name = signal.Signals(-status).name
        return (
            f"The training process was ended by {name}; where nobody did that, memory "
            f"was too small: set a smaller `training.batch`. {again}"
        )
    return (
        f"The training process ended with exit code {status}; what it said last stands "
        f"above. {again}"
    )
