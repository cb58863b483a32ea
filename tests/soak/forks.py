"""Processes that predict a submission as forks, which have the libraries already."""

import os
import signal
import sys
from typing import Any

from competition.machine import process
from competition.submit import __main__ as predicting


def install() -> None:
    """Let this process start forks of itself where it would start Python anew."""
    process.start = lambda *command, **options: Fork()


class Fork:
    """The part of `subprocess.Popen` that `submit` uses."""

    def __init__(self) -> None:
        (request, into), (out, reports) = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            os.close(into)
            os.close(out)
            _become(request, reports)
        os.close(request)
        os.close(reports)
        self.stdin, self.stdout = os.fdopen(into, "wb"), os.fdopen(out, "rb")

    def poll(self) -> int | None:
        """Return the exit code, and None while it works."""
        return self._wait(os.WNOHANG)

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end, which comes at once to what was killed."""
        return self._wait(0)

    def communicate(self) -> None:
        """Wait for its end."""
        self.stdin.close()
        self._wait(0)
        self.stdout.close()

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            done, status = os.waitpid(self.pid, options)
            self.returncode = os.waitstatus_to_exitcode(status) if done else None
        return self.returncode


def _become(request: int, reports: int) -> Any:
    """Become the process that predicts, and never return."""
    os.dup2(request, 0)
    os.dup2(reports, 1)
    os.environ[process.CHILD] = "1"
    code = 1
    try:
        sys.stdin = os.fdopen(0, encoding="utf-8")
        predicting.main()
        code = 0
    except SystemExit as end:
        code = int(bool(end.code))
    finally:
        os._exit(code)
