"""A full disk, a read-only folder and a lost mount in every step; a clock set back."""

import contextlib
import itertools
import os
import pathlib
import random
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from competition.core import locks
from tests.soak import commands, pairs, unbroken

STEPS = [step for step in pairs.PRODUCTS if step != "run"]


def run(whole: unbroken.Run, count: int, seed: int) -> dict[str, Any]:
    """Take drawn steps in each kind of trouble, then again without it, and compare."""
    began, draw = time.monotonic(), random.Random(seed)
    kinds = {"full disk": _on_full_disk, "read-only": _read_only, "lost": _losing}
    chosen = [
        (kind, step)
        for kind in kinds
        for step in draw.sample(STEPS, min(count, len(STEPS)))
    ]
    faults: list[str] = []
    codes: dict[str, list[str]] = {kind: [] for kind in kinds}
    for kind, step in chosen:
        case = f"{step}, {kind}"
        code, words = kinds[kind](whole, step, draw)
        codes[kind].append(f"{step} {code}")
        if (
            code not in (0, 1)
            or "Traceback" in words
            or (code and "error:" not in words)
        ):
            faults.append(f"{case}: code {code}: {words[-2000:]}")
        faults += whole.differences(f"after {case}", partly=True)
        code, words = commands.call(step, whole.case)
        if code:
            faults.append(f"again after {case}: code {code}: {words[-2000:]}")
        faults += whole.differences(f"after {case}, and once more")
    return {
        "seed": seed, "codes": codes, "faults": faults,
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip


def can_mount(folder: pathlib.Path) -> bool:
    """Say whether this process may mount a file system."""
    folder.mkdir()
    try:
        with _mounted(folder, "-t", "tmpfs", "tmpfs"):
            return True
    except subprocess.CalledProcessError:
        return False


def clock(whole: unbroken.Run) -> list[str]:
    """Kill a run, give its files times to come, go on with clocks that run back."""
    work = whole.case / commands.WORK
    whole.restore(work, "oof", "decision.json", "submission.csv")
    later = time.time() + 1e7
    for path in work.rglob("*"):
        os.utime(path, (later, later))
    code, words = commands.call("run", whole.case, before=_set_clock_back)
    faults = [f"with a clock set back: code {code}: {words}"] if code else []
    return faults + whole.differences("with a clock set back")


def _set_clock_back() -> None:
    # The wall clock alone can be set; here it begins in 1970 and goes back from there.
    ticks = itertools.count(1)
    time.time = lambda: 1e6 - next(ticks)
    time.time_ns = lambda: int(1e9 * time.time())


def _on_full_disk(
    whole: unbroken.Run, step: str, draw: random.Random
) -> tuple[int, str]:
    work = whole.case / commands.WORK
    with _mounted(work, "-t", "tmpfs", "-o", "size=16m", "tmpfs"):
        whole.restore(work, *pairs.PRODUCTS[step])
        filler = work / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        free = 4096 * draw.choice([0, 1, 2, 4, 8, 16, 32])
        os.truncate(filler, max(0, filler.stat().st_size - free))
        code, words = commands.call(step, whole.case)
        is_named = "No space left on device" in words and commands.RUN in words
        if code == 1 and not (is_named or step == "prepare"):
            words += "Traceback: it does not name the full disk and the file"
        filler.unlink()
        copy = whole.case.parent / "left"
        subprocess.run(["rm", "-rf", copy], check=True)
        subprocess.run(["cp", "-a", work, copy], check=True)
    subprocess.run(["rm", "-rf", work], check=True)
    copy.rename(work)
    return code, words


def _read_only(whole: unbroken.Run, step: str, draw: random.Random) -> tuple[int, str]:
    work = whole.case / commands.WORK
    whole.restore(work, *pairs.PRODUCTS[step])
    with _mounted(work, "--bind", str(work)):
        subprocess.run(["mount", "-o", "remount,ro,bind", work], check=True)
        return commands.call(step, whole.case)


def _losing(whole: unbroken.Run, step: str, draw: random.Random) -> tuple[int, str]:
    """Take the work folder away in the middle of a step, and bring it back."""
    work, disk = whole.case / commands.WORK, whole.case / "disk"
    whole.restore(work, *pairs.PRODUCTS[step])
    work.rename(disk)
    work.mkdir()
    said = whole.case.parent / "lost.txt"
    with _mounted(work, "--bind", str(disk)):
        child = commands.start(commands.STEPS[step], whole.case, said)
        code = commands.wait(child, seconds=draw.uniform(0, whole.seconds[step]))
    if code is None:
        code = commands.wait(child)
    if code is None:
        code = commands.stop(child)
    words = unbroken.read(said)
    strayed = [path for path in work.rglob("*") if path.is_file()]
    # A step that locks the folder below the mount has begun after the loss.
    is_late = any(path.suffix == locks.SUFFIX for path in strayed)
    if code == 0 and strayed and not is_late:
        words += f"Traceback: it ended well, and left {strayed} below the mount"
    subprocess.run(["rm", "-rf", work], check=True)
    disk.rename(work)
    return code, words


@contextlib.contextmanager
def _mounted(folder: pathlib.Path, *what: str) -> Iterator[None]:
    """Mount a file system on a folder; taken away at the end even where it is used."""
    subprocess.run(["mount", *what, folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
