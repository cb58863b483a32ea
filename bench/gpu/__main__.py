"""`python -m bench.gpu`: does this machine's card train right, and how fast?

It takes at most --minutes and writes OUT/results.json after every result. On a machine
without a card it does the same at toy size, which proves the command and no speed.
"""

import argparse
import os
import pathlib
import sys
import time

from bench.gpu import parts, report, tables
from competition.machine import gpus


def main() -> None:
    """Run all parts and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0, help="at most")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("work/gpu"))
    parser.add_argument("--toy", action="store_true", help="as if there were no card")
    asked = parser.parse_args()
    toy = asked.toy or not gpus.visible()
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    _set_environment(out, toy=toy)
    kept = report.Report(out / "results.json")
    until = kept.begun + 60 * asked.minutes
    print(f"results: {kept.path}{', at toy size: no card' if toy else ''}", flush=True)
    device = parts.Part("device", ("bench.gpu.speed", "ceilings"), 40)
    parts.side_by_side([device], kept, until=until, most=1)
    if not toy and not _computes_on_card(kept):
        sys.exit(
            "This machine has a card, and JAX does not compute on it. Install JAX with "
            "its CUDA libraries, jax[cuda12], or pass --toy."
        )
    most = max(1, min(5, (os.cpu_count() or 1) // 3))
    parts.side_by_side(parts.correctness(toy=toy), kept, until=until, most=most)
    parts.side_by_side(parts.speed(toy=toy), kept, until=until, most=1)
    shown = tables.markdown(kept.results)
    (out / "results.md").write_text(shown, encoding="utf-8")
    print(f"\n{shown}\n{time.monotonic() - kept.begun:.0f} seconds in all")


def _computes_on_card(kept: report.Report) -> bool:
    platforms = [each["platform"] for each in kept.results if "platform" in each]
    # If the device is unknown, the parts will say why.
    return platforms != ["cpu"]


def _set_environment(out: pathlib.Path, *, toy: bool) -> None:
    """Set what all parts read: the backend, where they work, what they compiled."""
    flags = os.environ.get("XLA_FLAGS", "")
    # Less checking while XLA chooses kernels; most of a toy's time is compiling.
    faster = "backend_optimization_level=0" if toy else "gpu_autotune_level=2"
    os.environ.update(
        KERAS_BACKEND="jax",
        GPU_OUT=str(out),
        GPU_TOY="1" if toy else "",
        XLA_FLAGS=f"{flags} --xla_{faster}".strip(),
        JAX_COMPILATION_CACHE_DIR=str(out / "compiled"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        TORCHINDUCTOR_CACHE_DIR=str(out / "inductor"),
        TORCHINDUCTOR_FX_GRAPH_CACHE="1",
        PYTHONUNBUFFERED="1",
    )
    if toy:
        os.environ["JAX_PLATFORMS"] = "cpu"


if __name__ == "__main__":
    main()
