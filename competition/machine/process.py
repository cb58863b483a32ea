"""Run commands in processes that free their memory, and that end with this one."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO

from competition.core import console, storage

PACKAGE = pathlib.Path(__file__).parents[2]
# Set in the environment of a process that `start` started.
CHILD = "COMPETITION_CHILD"
POLL_SECONDS = 0.1
# Not the lowest priority: a thread that holds the interpreter must get on, even on a
# busy machine.
LATER = 10


def step_back() -> None:
    """Lower the priority of this thread, so that others go first on a busy machine."""
    # On other systems than Linux a priority is that of the whole process.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Under `nice` its priority may be lower already, and it cannot be raised.
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(now, LATER))


def run_all(
    commands: Iterable[Sequence[str]],
    environments: Sequence[Mapping[str, str]],
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Run commands in processes of their own, one at a time in each environment.

    A command holds the arguments of Python, such as ("-m", "competition", "train"); it
    is taken from `commands` when its turn comes. Its standard error passes through. An
    error in it is told at once, and is raised here after all other commands have run.
    `go_on` is called again and again: once it returns False all processes end, as they
    do on an interrupt.
    """
    waiting, free = iter(commands), list(environments)
    running: list[_Child] = []
    errors: list[ValueError] = []
    told = 0
    try:
        while go_on():
            while free and (command := next(waiting, None)):
                running.append(_Child(command, free.pop(0)))
            if not running:
                break
            for each in errors[told:]:
                console.warn(f"{each} The others go on.")
            told = len(errors)
            for child in [c for c in running if c.process.poll() is not None]:
                try:
                    child.check()
                except ValueError as error:
                    errors.append(error)
                child.end()
                running.remove(child)
                free.append(child.environment)
            time.sleep(POLL_SECONDS)
    finally:
        for child in running:
            child.end()
    for each in errors[max(told, 1) :]:
        console.warn(str(each))
    if errors:
        raise errors[0]


def run(command: Sequence[str]) -> str:
    """Run a command as `run_all` does, and return its standard output."""
    child = _Child(command, {})
    try:
        child.process.wait()
        child.check()
        return child.text()
    finally:
        child.end()


def is_child() -> bool:
    """Return whether `start` started this process."""
    return CHILD in os.environ


def run_as_child(work: Callable[[], object]) -> None:
    """Do the work of a process that `start` started, and end with its parent.

    A ValueError, OSError or StorageError goes to the parent, which raises its message.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work()
    except (ValueError, OSError, storage.StorageError) as error:
        is_foreseen = isinstance(error, ValueError)
        report = {"error": str(error), "is_foreseen": is_foreseen}
        sys.stdout.write("\n" + json.dumps(report))
        sys.exit(1)


def start(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    stdout: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start Python with a pipe into it, which closes when this process ends."""
    path = os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])
    # A terminal sends Ctrl-C to the child as well, which would show a traceback while
    # it imports. This process ends it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        # Not multiprocessing: it would import the caller's script once more.
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=stdout,
            env={**os.environ, "PYTHONPATH": path, CHILD: "1", **(environment or {})},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reason(status: int) -> str:
    """Return what ended a process: a signal such as "SIGKILL", or its exit code."""
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"


class EndedError(ValueError):
    """A process ended by a cause that may pass: a signal, or a fault of a machine.

    `status` is its exit code or -signal if it gave no reason itself, and otherwise 0.
    """

    status = 0


class _Child:
    """A process, with a pipe into it and a file for its standard output."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.output = tempfile.TemporaryFile()
        self.process = start(command, environment, stdout=self.output)

    def check(self) -> None:
        """Raise the error that ended the process, if one did."""
        if self.process.returncode:
            raise _error(self.text(), self.process.returncode)

    def text(self) -> str:
        """Return the standard output of the process, which has ended."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.output.close()


def _end_with_parent() -> None:
    # The other end of the pipe closes when the parent is gone, however it ended.
    while os.read(0, 1):
        pass
    os._exit(1)


def _error(output: str, status: int) -> ValueError:
    last = output.splitlines()[-1] if output else ""
    if last.startswith('{"error": '):
        report = json.loads(last)
        kind = ValueError if report["is_foreseen"] else EndedError
        return kind(report["error"])
    again = "Run the same again: it goes on where it stopped."
    text = (
        f"A process ended with exit code {status}; its last lines on "
        f"standard error stand above. {again}"
    )
    if status == -signal.SIGKILL:
        text = (
            "A process was ended by SIGKILL. If nobody did that, memory was too small: "
            f"set a smaller `training.batch`. {again}"
        )
    elif status < 0:
        text = (
            f"A process was ended by {reason(status)}; its last lines on standard "
            f"error stand above. {again}"
        )
    error = EndedError(text)
    error.status = status
    return error
