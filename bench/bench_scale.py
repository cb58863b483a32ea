"""Measure how time and memory of the steps grow with 1, 4, 16 and 64 times the scans.

The scans have 16 slices of 96 x 96, and the networks do next to nothing, so that the
pipeline around them is measured. Each step is a process of its own.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench import folders, one_scaled_step

SCANS, SLICES = 8, 16
TIMES = (1, 4, 16, 64)
PICTURE = pathlib.Path(__file__).parent / "scale.png"
# For each step, what it took at each size.
Took = dict[str, list[dict[str, float]]]
Take = Callable[[str, pathlib.Path, list[int]], dict[str, float]]


def main() -> None:
    """Print a line for each step, and draw its processor time over the scans."""
    with tempfile.TemporaryDirectory() as name:
        took = measure(pathlib.Path(name), TIMES)
    for line in lines(took, TIMES):
        print(line, flush=True)
    draw(took, TIMES, PICTURE)


def measure(
    root: pathlib.Path,
    times: Sequence[int],
    *,
    scans: int = SCANS,
    take: Take | None = None,
) -> Took:
    """Take all steps on each size by one worker, then on the largest by two."""
    take = take or in_process
    took: Took = {step: [] for step in one_scaled_step.STEPS}
    cores = sorted(os.sched_getaffinity(0))
    side = one_scaled_step.SIZE
    for factor, workers in [*((factor, 1) for factor in times), (times[-1], 2)]:
        place, count = root / f"{factor}x{workers}", factor * scans
        folders.write(place / "data", scans=count, slices=SLICES, size=(side, side))
        for step, each in took.items():
            each.append(take(step, place, cores[-workers:]))
        shutil.rmtree(place)
    # It replaces what a network predicts.
    del took["guess"]
    return took


def in_process(step: str, root: pathlib.Path, cores: list[int]) -> dict[str, float]:
    """Take one step in a process of its own on the given cores."""
    names = "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"
    done = subprocess.run(
        [sys.executable, "-m", "bench.one_scaled_step", step, str(root)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **dict.fromkeys(names, str(len(cores)))},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise RuntimeError(f"{step} of {root} failed:\n{done.stderr}")
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return took


def lines(took: Took, times: Sequence[int]) -> list[str]:
    """Return the rows of the table; a step's last measurement is by two workers."""
    rows = []
    for step, [*one, two] in took.items():
        seconds = " / ".join(f"{each['cpu']:.2f}" for each in one)
        memory = f"{one[0]['mib']:.0f} / {one[-1]['mib']:.0f} MiB"
        faster = one[-1]["clock"] / two["clock"]
        rows.append(
            f"| {step}: {seconds} s; {memory}; two workers {faster:.2f} x as fast | "
            f"exponent {exponent([each['cpu'] for each in one], times):.2f} | <= 1.05 |"
        )
    return rows


def exponent(seconds: Sequence[float], times: Sequence[int]) -> float:
    """Return the power of the scans by which time grows, at all sizes but the first.

    At the first, constant costs such as opening files would make growth look slow.
    """
    slope = np.polyfit(np.log(times[1:]), np.log(seconds[1:]), 1)[0]
    return float(slope)


def draw(took: Took, times: Sequence[int], path: pathlib.Path) -> None:
    """Draw the processor time of each step over the number of scans."""
    from matplotlib import figure

    drawn: Any = figure.Figure(figsize=(6, 4), layout="constrained")
    axes = drawn.subplots()
    scans = [factor * SCANS for factor in times]
    for step, [*one, _] in took.items():
        axes.loglog(scans, [each["cpu"] for each in one], marker="o", label=step)
    axes.loglog(scans, np.array(scans) / scans[0] * 0.1, "k:", label="proportional")
    axes.set(xlabel="scans", ylabel="processor time (s)")
    axes.legend()
    drawn.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
