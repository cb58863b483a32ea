"""Build every shipped experiment at its own size, and train it here for two steps."""

import json
import subprocess
import sys

from competition.core.experiment import configs

# The first is the base of the others; blends have no network of their own.
LEFT_OUT = {"base", "winner", "hippocampus"}


def main() -> None:
    """Print a line for each experiment, each in a process of its own."""
    names = sorted(path.stem for path in configs.EXPERIMENTS.glob("*.toml"))
    for name in names:
        if name in LEFT_OUT:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "bench.one_full_step", name],
            capture_output=True,
            encoding="utf-8",
        )
        print(f"| {name} | {_told(done)} | |", flush=True)


def _told(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        # The operating system kills a process when the memory is full.
        return "killed: it does not fit into the memory of this machine"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    took = json.loads(done.stdout.splitlines()[-1])
    return (
        f"{took['millions']:.1f} M parameters, {took['input']}; build "
        f"{took['build']:.0f} s, first step {took['first']:.0f} s, second "
        f"{took['second']:.1f} s, process at its peak {took['mib'] / 1024:.1f} GiB"
    )
