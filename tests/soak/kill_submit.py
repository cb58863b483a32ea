"""Submit and be killed: `-m tests.soak.kill_submit RUN DATA OUT KILLS`.

Each kill comes one to three scans after the last; the scans finished then are printed.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

from competition import pipeline
from competition.net.inference import scan_predictor  # noqa: F401  loaded before a fork


def main(run: str, data: str, out: str, kills: str) -> None:
    """Kill the submission `kills` times, then let it end."""
    draw = random.Random(0)
    finished: list[int] = []
    part = pathlib.Path(out).with_name(f".{pathlib.Path(out).name}.part")
    while len(finished) < int(kills):
        child = start(run, data, out)
        target = lines(part) + draw.randint(1, 3)
        while lines(part) < target:
            if os.waitpid(child, os.WNOHANG)[0]:
                sys.exit(f"it ended by itself after {finished}")
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        finished.append(lines(part))
    _, status = os.waitpid(start(run, data, out), 0)
    sys.stdout.write(json.dumps({"killed_after_scans": finished}) + "\n")
    sys.exit(bool(status))


def start(run: str, data: str, out: str) -> int:
    """Submit in a child; the libraries are there, and none has begun to compute."""
    child = os.fork()
    if not child:
        pipeline.submit(run, data=data, out=out)
        os._exit(0)
    return child


def lines(part: pathlib.Path) -> int:
    """The lines of the part file, the first of which is no scan."""
    return part.read_bytes().count(b"\n") if part.is_file() else 1


if __name__ == "__main__":
    main(*sys.argv[1:])
