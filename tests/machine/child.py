"""Works for processes of their own: `-m tests.machine.child WORK ARGUMENTS`."""

import os
import pathlib
import signal
import sys
import time

from competition.machine import deadline, process


def work(name: str, *arguments: str) -> None:
    """Do the work of this name."""
    if name == "write":
        path, variable = arguments
        pathlib.Path(path).write_text(os.environ[variable], "utf-8")
    elif name == "budget":
        deadline.parse(*arguments)
    elif name == "fail":
        sys.argv[99]
    elif name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "sleep":
        begun, late = map(pathlib.Path, arguments)
        begun.write_text(str(os.getpid()), "utf-8")
        time.sleep(60)
        late.write_text("", "utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "parent":
        process.run_all([["-m", "tests.machine.child", *sys.argv[2:]]], [{}])
    else:
        process.run_as_child(lambda: work(*sys.argv[1:]))
