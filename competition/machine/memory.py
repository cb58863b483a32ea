"""The memory of this machine and of its processes, as Linux reports it."""

import os
import pathlib
import re

# The limit of a container, in the first and the second version of Linux's cgroups.
_LIMITS = (
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory.max",
)


def available() -> int | None:
    """Return the bytes that a new process may take; None if unknown."""
    free = re.search(r"MemAvailable: *(\d+) kB", _read("/proc/meminfo"))
    if not free:
        return None
    # A container's own usage count includes cached files, so the memory of this process
    # is subtracted instead.
    own = resident(os.getpid()) or 0
    limits = [int(text) - own for text in map(_read, _LIMITS) if text.strip().isdigit()]
    return min(1024 * int(free[1]), *limits, 2**63)


def resident(process: int) -> int | None:
    """Return the bytes that a process holds; None if unknown.

    The system can drop mapped files at any time, so they do not count.
    """
    sizes = re.findall(
        r"Rss(?:Anon|Shmem):\s*(\d+) kB", _read(f"/proc/{process}/status")
    )
    return 1024 * sum(map(int, sizes)) if sizes else None


def show(size: int) -> str:
    """Write bytes as a person would, in three digits: "942 kB" or "1.17 GB"."""
    value, unit = size / 1e3, "kB"
    for larger in "MB", "GB", "TB":
        if value >= 999.5:
            value, unit = value / 1e3, larger
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def end_first() -> None:
    """Let Linux kill this process before its parent when memory runs out."""
    try:
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000", "utf-8")
    except OSError:
        pass  # Another system, or a container that forbids it.


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text("utf-8")
    except OSError:
        return ""
