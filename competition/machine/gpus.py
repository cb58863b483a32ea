"""The GPUs of this machine, listed without loading a framework."""

import os
import subprocess


def visible() -> list[str]:
    """Return the numbers of the GPUs that this process may use; [] without any."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name not in {"", "-1"}]
    return [str(number) for number, _ in enumerate(_ask("-L"))]


def memory() -> int | None:
    """Return the bytes of the first GPU that this process may use; None if unknown."""
    query = "--query-gpu=memory.total", "--format=csv,noheader,nounits"
    lines = [line for name in visible()[:1] for line in _ask("-i", name, *query)]
    return int(lines[0]) * 2**20 if lines and lines[0].isdigit() else None


def environments(setting: str) -> list[dict[str, str]]:
    """Return the environments of the processes that may work at the same time.

    They are one for each GPU where the setting, `training.gpus`, lets processes work
    side by side, and otherwise a single one that changes nothing.
    """
    numbers = visible() if setting in {"auto", "folds"} else []
    return [{"CUDA_VISIBLE_DEVICES": number} for number in numbers] or [{}]


def _ask(*arguments: str) -> list[str]:
    """Return the lines of nvidia-smi; [] where it is not there or fails."""
    command = ["nvidia-smi", *arguments]
    try:
        listed = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed.stdout.splitlines() if listed.returncode == 0 else []
