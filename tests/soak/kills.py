"""Kill a run in every step, again and again, until it ends; compare what it made.

A kill comes after a drawn part of a step's time, or just before its n-th write, by a
drawn signal.
"""

import collections
import os
import pathlib
import random
import shutil
import signal
import sys
import time
from typing import Any

from tests.soak import commands, unbroken

SIGNALS = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
# Training has most to lose: its state, its weights and its history belong together.
ORDER = (
    "prepare", "train", "train", "predict", "decide", "submit", "submit", "validate",
    "score", "report",
)  # fmt: skip
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.truncate"}


def kill(whole: unbroken.Run, kills: int, seed: int) -> dict[str, Any]:
    """Take whole runs that are killed so often, and compare each with the unbroken."""
    began, draw = time.monotonic(), random.Random(seed)
    case = whole.case
    shutil.rmtree(case / commands.WORK)
    steps: list[str] = []
    moments: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    rounds = 0
    while len(steps) < kills or (case / commands.WORK).exists():
        number = draw.choice(SIGNALS)
        planned = ORDER[len(steps) % len(ORDER)]
        is_write = draw.random() < 0.5 and planned != "validate"
        if len(steps) == kills:
            code, words = commands.call("run", case)
        elif is_write:
            hook = _Hook(planned, draw.randint(1, 3), number)
            code, words = commands.call("run", case, before=hook.install)
        else:
            pause = draw.uniform(0, whole.seconds[planned])
            code, words = _kill_in(case, planned, pause, number)
        # Ctrl-C is heard, and told by a code of its own.
        killed = 130 if number == signal.SIGINT else -number
        # An interrupt within a destructor is lost, as in any Python program.
        is_lost = number == signal.SIGINT and "Exception ignored in" in words
        if ("Traceback" in words and not is_lost) or code not in (0, killed):
            faults.append(f"{number.name} in {planned}: {code}: {words}")
        if code == 0:
            rounds += 1
            faults += whole.differences(f"after kills in {steps[-30:]}")
            shutil.rmtree(case / commands.WORK)
        elif len(steps) == kills:
            break
        else:
            steps.append(unbroken.step(words))
            moments[f"{number.name} {'at a write' if is_write else 'at a time'}"] += 1
    return {
        "seed": seed, "kills": len(steps), "steps": collections.Counter(steps),
        "moments": moments, "rounds": rounds, "faults": faults,
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def _kill_in(
    case: pathlib.Path, step: str, pause: float, number: int
) -> tuple[int, str]:
    """Kill a run so many seconds after it began a step, unless it ends before."""
    said = case.parent / "run.txt"
    child = commands.start(commands.STEPS["run"], case, said)
    code = commands.wait(
        child,
        lambda: ORDER.index(unbroken.step(unbroken.read(said))) >= ORDER.index(step),
    )
    if code is None:
        code = commands.wait(child, seconds=pause)
    if code is None:
        code = commands.stop(child, number)
    return code, unbroken.read(said)


class _Hook:
    """Sends a signal to its own process before the n-th write of a step."""

    def __init__(self, step: str, nth: int, number: int) -> None:
        self.step, self.left, self.number = step, nth, number

    def install(self) -> None:
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_write = event in WRITES or (
            event == "open"
            and isinstance(arguments[1], str)
            and arguments[1][0] in "wa"
        )
        if is_write and str(arguments[0]).startswith(commands.WORK) and self.left:
            self.left -= (
                unbroken.step(pathlib.Path("../run.txt").read_text("utf-8"))
                == self.step
            )
            if not self.left:
                os.kill(os.getpid(), self.number)
