"""The GPUs of this machine, listed without loading a framework."""

import itertools
import os
import re
import subprocess

# The environment of a process that must leave the devices to others.
ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def visible() -> list[str]:
    """Return the numbers of the GPUs that this process may use; [] without any."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",")]
        # CUDA ignores all entries after the first invalid one.
        return list(itertools.takewhile(lambda name: name not in {"", "-1"}, names))
    # Warnings and the parts of a divided GPU have lines too.
    cards = [line for line in _ask("-L") if re.match(r"GPU \d+:", line)]
    return [str(number) for number, _ in enumerate(cards)]


def memory() -> int | None:
    """Return the bytes of the first GPU that this process may use; None if unknown."""
    query = "--query-gpu=memory.total", "--format=csv,noheader,nounits"
    lines = [line for name in visible()[:1] for line in _ask("-i", name, *query)]
    return int(lines[0]) * 2**20 if lines and lines[0].isdigit() else None


def environments(setting: str) -> list[dict[str, str]]:
    """Return the environments of the processes that may work at the same time.

    If the setting, `training.gpus`, lets processes work side by side, there is one for
    each GPU. Otherwise there is a single one, which changes nothing.
    """
    numbers = visible() if setting in {"auto", "folds"} else []
    return [{"CUDA_VISIBLE_DEVICES": number} for number in numbers] or [{}]


def _ask(*arguments: str) -> list[str]:
    """Return the lines of nvidia-smi; [] if it is missing or fails."""
    command = ["nvidia-smi", *arguments]
    try:
        listed = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed.stdout.splitlines() if listed.returncode == 0 else []
