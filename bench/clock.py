"""Measure time as a median of several repeats, and memory in a separate process."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable


def seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the median time that `work` takes."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def alternate(
    one: Callable[[], object], other: Callable[[], object], *, repeats: int = 7
) -> float:
    """Return the median ratio of two times, taken in turn, so that noise hits both."""
    ratios = [
        seconds(one, repeats=1) / seconds(other, repeats=1) for _ in range(repeats)
    ]
    return statistics.median(ratios)


def peak_mib(code: str) -> float:
    """Return the most memory that a Python process running `code` ever holds."""
    report = (
        "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return int(done.stdout.split()[-1]) / 1024


def own_mib() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(what: str, value: float, target: str, unit: str = "x") -> None:
    """Print one line of the table."""
    print(f"| {what} | {value:.2f} {unit} | {target} |", flush=True)
