"""Run a kernel isolated as on Kaggle, as far as this machine allows.

Linux namespaces give it a root of its own with Kaggle's mounts, read-only, and no
network. Memory is watched rather than limited: TensorFlow reserves far more addresses
than it uses, so a limit on addresses would kill kernels that run on Kaggle.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from competition.kernel.rehearse import mounts
from competition.machine import kaggle_limits, memory

_UNSHARE = ["unshare", "--map-root-user", "--user", "--net"]
_FULL = [*_UNSHARE, "--mount", "--pid", "--fork", "--kill-child"]
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# Without namespaces the folders are passed to the kernel's `main`.
_CALL = (
    "import pathlib, runpy, sys; script, *folders = map(pathlib.Path, sys.argv[1:]); "
    "runpy.run_path(str(script))['main'](*folders)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Kaggle's limits for a submission: hours, memory, and space for its output."""

    hours: float = 9.0
    memory_gb: float = kaggle_limits.HOST / 1e9
    disk_gb: float = kaggle_limits.DISK / 1e9


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended.

    `stopped` says what killed it: "time", "memory", "told" (the log), or None.
    """

    status: int
    stopped: str | None
    seconds: float
    memory_gb: float
    log: str


def command() -> tuple[list[str], list[str]]:
    """Return the `unshare` that works here, and the parts that it does not isolate."""
    open_ends = []
    # Linux lists the children of a process here; their memory is watched too.
    if not pathlib.Path(f"/proc/self/task/{os.getpid()}/children").is_file():
        open_ends.append("the memory: it has no limit")
    mounts_work = "mount -t tmpfs none /mnt && mount --rbind /usr /mnt"
    if _succeeds([*_FULL, "sh", "-c", mounts_work]):
        return _FULL, open_ends
    open_ends.append("the files: the kernel sees this machine's, without a limit")
    if _succeeds([*_UNSHARE, "true"]):
        return _UNSHARE, open_ends
    return [], [*open_ends, "the network: the kernel could reach it"]


def _succeeds(trial: list[str]) -> bool:
    if shutil.which(trial[0]) is None:
        return False
    return subprocess.run(trial, capture_output=True).returncode == 0


def run(
    kernel: mounts.Kernel,
    limits: Limits,
    isolation: list[str],
    *,
    until: str | None = None,
) -> Outcome:
    """Run a kernel in the isolation that `command()` returned; copy its output.

    If its log matches `until`, the kernel is killed; its output stays.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        scratch = pathlib.Path(folder)
        home = scratch / "tmp"
        home.mkdir()
        if "--mount" in isolation:
            inside = mounts.command(kernel, disk_gb=limits.disk_gb, scratch=scratch)
            home, script = pathlib.Path("/tmp"), mounts.SCRIPT
        else:
            inside = _in_folders(kernel, scratch / "input")
            script = str(kernel.script)
        # The kernel gets no other variable of ours, since one may hold credentials.
        threads = {key: os.environ[key] for key in os.environ if key in _THREADS}
        # Kaggle's image has TensorFlow; another environment may have only JAX.
        has_tensorflow = kernel.python.packages.get("tensorflow")
        backend = {} if has_tensorflow else {"KERAS_BACKEND": "jax"}
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            **threads,
            **backend,
            **kernel.variables,
        }
        with (scratch / "log").open("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                [*isolation, *inside],
                cwd=kernel.working,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            told = _Told(pathlib.Path(log.name), script, until)
            stopped, seconds, most = _watch(process, limits, told)
            log.seek(0)
            return Outcome(process.returncode, stopped, seconds, most, log.read())


def _in_folders(kernel: mounts.Kernel, inputs: pathlib.Path) -> list[str]:
    """Return the command that calls the script's main with folders for mounts."""
    for place, source in kernel.inputs.items():
        link = inputs / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source.resolve())
    folders = [str(path) for path in (kernel.script, inputs, kernel.working)]
    return [str(kernel.python.python), "-c", _CALL, *folders]


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """A log, and the pattern in it at which to kill the Python that runs a script."""

    log: pathlib.Path
    script: str
    until: str | None

    def kill(self, process: int) -> bool:
        """Kill the Python of the script, below `process`, if the log matches `until`.

        A shell around it goes on and copies the output. Return whether it was killed.
        """
        if not self.until or not re.search(
            self.until, self.log.read_text("utf-8", "replace")
        ):
            return False
        family = _family(process)
        kernel = next((each for each in family if self._runs(each)), process)
        for each in _family(kernel):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        return True

    def _runs(self, process: int) -> bool:
        try:
            words = pathlib.Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            return False
        return self.script.encode() in words.split(b"\0")


def _watch(
    process: subprocess.Popen[bytes], limits: Limits, told: _Told
) -> tuple[str | None, float, float]:
    """Wait for a process, or kill it; return (why, seconds, most memory in GB)."""
    start, seconds, most, stopped = time.monotonic(), 0.0, 0.0, None
    while process.poll() is None and not stopped:
        time.sleep(0.1)
        seconds = time.monotonic() - start
        held = sum(memory.resident(each) or 0 for each in _family(process.pid))
        most = max(most, held / 1e9)
        if told.kill(process.pid):
            process.wait()
            return "told", seconds, most
        if most > limits.memory_gb:
            stopped = "memory"
        elif seconds > limits.hours * 3600:
            stopped = "time"
    if stopped:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return stopped, seconds, most


def _family(pid: int) -> list[int]:
    """Return a process and its descendants, the process first."""
    family = [pid]
    for each in family:
        with contextlib.suppress(OSError):
            path = pathlib.Path(f"/proc/{each}/task/{each}/children")
            family += map(int, path.read_bytes().split())
    return family
