"""A process that sees what a kernel on Kaggle sees, as far as this machine allows.

With Linux namespaces: a root of its own with the mounts of Kaggle, read-only, and no
network. Memory is watched rather than limited: TensorFlow reserves far more addresses
than it uses, so a limit on addresses would kill what runs on Kaggle.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping

from competition.kernel.rehearse import environment, mounts

_UNSHARE = ["unshare", "--map-root-user", "--user", "--net"]
_FULL = [*_UNSHARE, "--mount", "--pid", "--fork", "--kill-child"]
_PAUSE_S = 0.1
# Linux lists the children of a process here; their memory is watched too.
_CHILDREN = pathlib.Path("/proc/self/task", str(os.getpid()), "children")
# Without namespaces the kernel is told where its folders are.
_CALL = (
    "import pathlib, runpy, sys; script, *folders = map(pathlib.Path, sys.argv[1:]); "
    "runpy.run_path(str(script))['main'](*folders)"
)
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What Kaggle gives a submission: hours, memory, and space for its output."""

    hours: float = 9.0
    memory_gb: float = 30.0
    disk_gb: float = 20.0


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended; `stopped` is "time", "memory" or None."""

    status: int
    stopped: str | None
    seconds: float
    memory_gb: float
    log: str


def command() -> tuple[list[str], list[str]]:
    """Return the `unshare` that works here, and what it does not isolate."""
    open_ends = [] if _CHILDREN.is_file() else ["the memory: it has no limit"]
    mounts_work = "mount -t tmpfs none /mnt && mount --rbind /usr /mnt"
    if _succeeds([*_FULL, "sh", "-c", mounts_work]):
        return _FULL, open_ends
    open_ends.append(
        "the files: the kernel sees this machine's, and its own have no limit"
    )
    if _succeeds([*_UNSHARE, "true"]):
        return _UNSHARE, open_ends
    return [], [*open_ends, "the network: the kernel could reach it"]


def run(
    script: pathlib.Path,
    inputs: Mapping[str, pathlib.Path],
    *,
    working: pathlib.Path,
    python: environment.Environment,
    limits: Limits,
    isolation: list[str],
) -> Outcome:
    """Run a kernel's script; what it leaves in /kaggle/working is put into `working`.

    `inputs` are folders by their path under /kaggle/input. `isolation` is the command
    that `command()` returned.
    """
    script, working = script.resolve(), working.resolve()
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        scratch = pathlib.Path(folder)
        (scratch / "tmp").mkdir()
        variables = _variables(scratch / "tmp")
        if "--mount" in isolation:
            variables |= {"HOME": "/tmp", "TMPDIR": "/tmp"}
            inside = mounts.command(
                script,
                inputs,
                working=working,
                python=python,
                disk_gb=limits.disk_gb,
                scratch=scratch,
            )
        else:
            inside = _in_folders(
                script, inputs, working=working, python=python, scratch=scratch
            )
        with (scratch / "log").open("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                [*isolation, *inside],
                cwd=working,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stopped, seconds, memory = _watch(process, limits)
            log.seek(0)
            return Outcome(process.returncode, stopped, seconds, memory, log.read())


def _variables(home: pathlib.Path) -> dict[str, str]:
    """Return a kernel's environment variables: of ours, only the numbers of threads."""
    threads = {name: os.environ[name] for name in _THREADS if name in os.environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    home_text = str(home)
    return {
        **threads,
        "PATH": path,
        "HOME": home_text,
        "TMPDIR": home_text,
        "LANG": "C.UTF-8",
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
    }


def _in_folders(
    script: pathlib.Path,
    inputs: Mapping[str, pathlib.Path],
    *,
    working: pathlib.Path,
    python: environment.Environment,
    scratch: pathlib.Path,
) -> list[str]:
    """Return the command that calls the script's main with folders for mounts."""
    for place, source in inputs.items():
        link = scratch / "input" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source.resolve())
    folders = [str(script), str(scratch / "input"), str(working)]
    return [str(python.python), "-c", _CALL, *folders]


def _watch(
    process: subprocess.Popen[bytes], limits: Limits
) -> tuple[str | None, float, float]:
    """Wait for a process, or kill it at a limit: (why, seconds, most memory in GB)."""
    start, most, stopped = time.monotonic(), 0.0, None
    while process.poll() is None:
        most = max(most, _memory_gb(process.pid))
        if most > limits.memory_gb:
            stopped = "memory"
        elif time.monotonic() - start > limits.hours * 3600:
            stopped = "time"
        if stopped:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            break
        time.sleep(_PAUSE_S)
    return stopped, time.monotonic() - start, most


def _memory_gb(pid: int) -> float:
    """Return the memory of a process and its children, without mapped files.

    The system can drop mapped files at any time, so they do not count.
    """
    total, waiting = 0, [pid]
    while waiting:
        each = waiting.pop()
        try:
            text = pathlib.Path(f"/proc/{each}/status").read_text(encoding="utf-8")
            children = pathlib.Path(f"/proc/{each}/task/{each}/children")
            tasks = children.read_text(encoding="utf-8")
        except OSError:
            continue
        waiting += map(int, tasks.split())
        for line in text.splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1])
    return total / 2**20


def _succeeds(trial: list[str]) -> bool:
    if shutil.which(trial[0]) is None:
        return False
    return subprocess.run(trial, capture_output=True).returncode == 0
