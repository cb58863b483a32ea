"""The process that `guard` starts: it predicts scans and reports on standard output.

The request is one line of JSON on standard input.
"""

import json
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

if sys.platform == "linux":
    import resource

from competition.core.experiment import layout, runs
from competition.machine import deadline, memory, process
from competition.submit import (
    members,
    partial,
    prediction,
    reports,
    test_folder,
    trial,
)


def main() -> None:
    """Do the work of the request, and end with the parent."""
    memory.end_first()
    if sys.platform == "linux":
        # A core file holds all memory of a process that died.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.readline())
    # Libraries may print, so the pipe is for reports only.
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(*message: Any) -> None:
        with lock:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    process.run_as_child(lambda: _work(request, send))


def _work(request: dict[str, Any], send: Callable[..., None]) -> None:
    """Predict; report an unexpected error before the process ends."""
    tell = _reports(send)
    tell.alive()
    error = None
    try:
        _predict(request, tell)
    except members.NoNetworkError as raised:
        error = str(raised)
    except Exception as raised:
        text = f"the process that predicts failed: {raised!r}"
        tell.failed("unexpected", text, raised)
        sys.exit(1)
    send("over", error)


def _reports(send: Callable[..., None]) -> reports.Reports:
    """Return reports that are sent to the parent."""

    def finish(scan: str, masks: partial.EncodedMasks) -> None:
        send("finish", scan, partial.to_rows(masks))

    return reports.Reports(
        warn=lambda kind, text, trace="": send("warn", kind, text, trace),
        finish=finish,
        begin=lambda kind, name: send("begin", kind, name),
        end=lambda kind, name: send("end", kind, name),
        alive=lambda: send("alive"),
    )


def _predict(request: dict[str, Any], tell: reports.Reports) -> None:
    run = runs.read(layout.RunFiles(pathlib.Path(request["run"])))
    data, end = pathlib.Path(request["data"]), request["end"]
    # Without a test it is a trial.
    found = test_folder.find(data, run.classes).scans or trial.scans(data)
    prediction.predict(
        run,
        data,
        {name: found[name] for name in request["scans"]},
        limit=deadline.Deadline(end - time.time()) if end else None,
        plan=prediction.Plan(**request["plan"]),
        tell=tell,
    )


if __name__ == "__main__":
    main()
