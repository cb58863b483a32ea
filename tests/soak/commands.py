"""Commands in forked processes, on a competition and a run of a tiny network.

The libraries are loaded once, in this process, which never computes: each child is a
fork of it and becomes a command.
"""

import json
import os
import pathlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from competition import __main__, pipeline  # noqa: F401
from competition.commands import app, output  # noqa: F401  loaded before a fork
from competition.core import blending  # noqa: F401
from competition.core.experiment import configs
from competition.core.pages import html_page, pictures  # noqa: F401
from competition.net import tensorflow_backend  # noqa: F401
from competition.net.inference import scan_predictor, trained_network  # noqa: F401
from competition.net.training import fitting, setup, validation  # noqa: F401
from competition.sources import phantom
from tests import conftest

SECONDS = 120.0
DATA, WORK = "data/competition", "work"
RUN = "work/competition/runs/tiny"
PATHS = ("--data", DATA, "--work", WORK)
TRUTH = ("--truth", "data/solution.csv")
EXPERIMENT = (*PATHS, "--experiment", "tiny.toml")
SUBMISSION = ("--submission", f"{RUN}/submission.csv")
STEPS = {
    "prepare": ("prepare", *PATHS, "--verify"),
    "train": ("train", *EXPERIMENT),
    "predict": ("predict", *EXPERIMENT),
    "decide": ("decide", *EXPERIMENT),
    "submit": ("submit", "--run", RUN, "--data", DATA),
    "validate": ("validate", *SUBMISSION, "--data", DATA),
    "score": ("score", *SUBMISSION, "--data", DATA, *TRUTH),
    "report": ("report", *EXPERIMENT),
    "run": ("run", *EXPERIMENT, *TRUTH),
}


def write_case(folder: pathlib.Path, overrides: Sequence[str] = ()) -> None:
    """Write a tiny phantom and tiny.toml, the experiment of a tiny network."""
    phantom.write(
        folder / "data", cases=6, days=1, slices=6, small=False, public=False, seed=3
    )
    config = configs.load("smoke", (*conftest.TINY, *overrides)).model_dump(mode="json")
    lines = [f"folds = {config['folds']}"]
    for section in ("geometry", "model", "augment", "training"):
        values = config[section].items()
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values]
    (folder / "tiny.toml").write_text("\n".join(lines) + "\n", "utf-8")


def start(
    command: Sequence[str],
    folder: pathlib.Path,
    said: pathlib.Path,
    *,
    before: Callable[[], object] = lambda: None,
) -> int:
    """Start a command in `folder` and return its process; `said` gets its words.

    The child calls `before` first.
    """
    said.write_bytes(b"")
    # Ctrl-C waits until the child is the command.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        words = os.open(said, os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(words, stream)
        # Python's own handler, which a test runner's shell may have switched off.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["competition", *command]
        before()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        __main__.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(
    child: int, until: Callable[[], bool] = lambda: False, seconds: float = SECONDS
) -> int | None:
    """Wait for a child's end and return its code; None if `until` or time came first.

    The code of a child that a signal ended is its number below 0.
    """
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end or until():
            return None
        time.sleep(0.001)


def stop(child: int, number: int = signal.SIGKILL) -> int:
    """Send a signal to a child, wait for its end, and return its code."""
    os.kill(child, number)
    code = wait(child)
    if code is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise TimeoutError(f"signal {number} did not end the process")
    return code


def call(
    name: str, folder: pathlib.Path, *, before: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Take a step to its end; return its code and its words."""
    said = folder.parent / f"{name}.txt"
    child = start(STEPS[name], folder, said, before=before)
    code = wait(child)
    if code is None:
        code = stop(child)
    return code, said.read_text("utf-8", "replace")
