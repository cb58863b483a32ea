"""The parts of the proof in their order, and the processes that do them."""

import dataclasses
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from bench.gpu import report
from competition.core.experiment import configs

# A part does not begin with less time than this.
LEAST_SECONDS = 10.0
# Seconds in which the last results of a process that was ended are read.
GRACE_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Part:
    """A module of `bench.gpu` with its arguments, and the seconds that it may take."""

    name: str
    command: tuple[str, ...]
    seconds: float
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def correctness(*, toy: bool) -> list[Part]:
    """Return the parts that must pass before speed counts; they may run at once."""
    # Several processes use the card at once, so none may take all of its memory.
    shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    little = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.06"}
    module, seconds = "bench.gpu.correctness", 140
    parts = [
        Part("tests", (module, "tests"), seconds, shared),
        Part("smoke in bfloat16", (module, "smoke", "bfloat16"), seconds, shared),
        Part("smoke in float16", (module, "smoke", "float16"), seconds, shared),
        Part("memory that is full", (module, "memory"), seconds, shared | little),
    ]
    # It compiles while the others run, and keeps what it compiled for the timed run.
    ahead = Part("PyTorch compiles", ("bench.gpu.torch_twin", "ahead"), seconds)
    # At toy size only the commands are tested, and one precision is enough for that.
    return [parts[0], parts[1], parts[3]] if toy else [*parts, ahead]


def speed(*, toy: bool) -> list[Part]:
    """Return the parts that are timed, each alone on the card, the important first."""
    keras, torch = "bench.gpu.speed", "bench.gpu.torch_twin"
    names = experiments(toy=toy)
    small, large = ["toy"] if toy else ["small"], [] if toy else ["large"]
    # At toy size most time is spent on imports, so one process does all.
    first, *rest = [tuple(names)] if toy else [(name,) for name in names]
    return [
        *[Part(f"Keras, {size}", (keras, "pair", size), 70) for size in small],
        *[Part(f"PyTorch, {size}", (torch, size), 60) for size in small],
        Part(", ".join(first), (keras, "experiment", *first), 240 if toy else 80),
        *[Part(f"Keras, {size}", (keras, "pair", size), 110) for size in large],
        *[Part(f"PyTorch, {size}", (torch, size), 60) for size in large],
        *[Part(name, (keras, "experiment", name), 60) for (name,) in rest],
    ]


def experiments(*, toy: bool) -> list[str]:
    """Return all shipped experiments that train a network, `unet` first.

    Published encoders have no toy size, and one experiment of each other architecture
    is enough for a toy.
    """
    loaded = {path.stem: configs.load(path.stem)
              for path in sorted(configs.EXPERIMENTS.glob("*.toml"))}  # fmt: skip
    models = {
        name: config.model
        for name, config in loaded.items()
        if name != "base" and not config.members
    }
    # The last of each: `volume`, unlike `hippocampus_3d`, trains coarser outputs too.
    toys = {m.architecture: name for name, m in models.items() if m.encoder == "none"}
    names = toys.values() if toy else models
    return sorted(names, key=lambda name: (name != "unet", name))


def side_by_side(
    parts: Sequence[Part], kept: report.Report, *, until: float, most: int
) -> None:
    """Run parts, `most` of them at a time; each ends at its limit or at `until`."""
    waiting, said = list(parts), queue.Queue[tuple[Part, str]]()
    running: list[_Child] = []
    try:
        while waiting or running:
            while waiting and len(running) < most:
                part = waiting.pop(0)
                left = until - time.monotonic()
                if left < LEAST_SECONDS:
                    kept.add(part.name, {"kind": "left out", "why": "no time left"})
                    continue
                running.append(_Child(part, min(part.seconds, left), said))
            _take(said, kept)
            for child in [each for each in running if each.is_over()]:
                running.remove(child)
                ended = child.end()
                _take(said, kept)
                kept.add(child.part.name, ended)
    finally:
        for child in running:
            child.end()


def _take(said: queue.Queue[tuple[Part, str]], kept: report.Report) -> None:
    try:
        while True:
            part, line = said.get(timeout=0.1)
            result = report.parsed(line)
            if result:
                kept.add(part.name, result)
    except queue.Empty:
        return


class _Child:
    """A part in a process, and all processes that it starts."""

    def __init__(
        self, part: Part, seconds: float, said: queue.Queue[tuple[Part, str]]
    ) -> None:
        self.part, self.said = part, said
        self.begun = time.monotonic()
        self.limit = self.begun + seconds
        self.last: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", *part.command],
            env={
                **os.environ,
                **part.environment,
                "GPU_SECONDS": str(max(1.0, seconds - GRACE_SECONDS)),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def is_over(self) -> bool:
        """Return whether the process ended or has to."""
        return self.process.poll() is not None or time.monotonic() > self.limit

    def end(self) -> dict[str, object]:
        """End what still runs and return how the part ended."""
        is_late = self.process.poll() is None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(GRACE_SECONDS)
        seconds = round(time.monotonic() - self.begun, 1)
        if is_late:
            return {"kind": "cut short", "seconds": seconds}
        if self.process.returncode:
            why = " / ".join(self.last[-6:])
            code = self.process.returncode
            return {"kind": "failed", "seconds": seconds, "exit": code, "why": why}
        return {"kind": "done", "seconds": seconds}

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.last = [*self.last[-20:], line.strip()]
            self.said.put((self.part, line.strip()))
