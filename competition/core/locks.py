"""Lock folders, so that steps in several processes do not disturb each other."""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator
from typing import IO

from competition.core import storage

try:
    import fcntl
except ImportError:  # On Windows there is no lock: no process is kept out.
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".lock"
# A killed process may take this long to end. After a machine is lost, a file system
# keeps the machine's locks for minutes.
ENDING_VARIABLE = "COMPETITION_ENDING_SECONDS"
ENDING_SECONDS = float(os.environ.get(ENDING_VARIABLE, "5"))


@contextlib.contextmanager
def locked(
    folder: pathlib.Path,
    *,
    doing: str,
    shared: bool = False,
    wait_seconds: float | None = None,
) -> Iterator[None]:
    """Lock a folder against other processes; raise an error if one has the lock.

    Several processes may hold a `shared` lock. The error comes after `wait_seconds`, by
    default as soon as a killed process would have ended. The lock file lies beside the
    folder, which may be replaced meanwhile. The folder above must not be replaced: the
    results would lie elsewhere. A mirrored folder is also locked against other
    machines, and then updated with their files.
    """
    # Resolved, so that two paths of the same folder use the same lock.
    path = folder.resolve().with_name(f".{folder.resolve().name}{SUFFIX}")
    path.parent.mkdir(parents=True, exist_ok=True)
    above = path.parent.stat()
    patience = ENDING_SECONDS if wait_seconds is None else wait_seconds
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("a+b", buffering=0))
        except OSError:
            pass  # In a read-only folder no process can write.
        else:
            _wait_for_lock(file, folder, shared=shared, seconds=patience)
            # For the error message of another process; on a full disk it is left out.
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(doing.encode())
        stack.enter_context(
            storage.held(folder, doing=doing, shared=shared, seconds=patience)
        )
        yield
    if not (path.parent.is_dir() and os.path.samestat(above, path.parent.stat())):
        raise ValueError(
            f"{path.parent} was taken away, or replaced, while a process was {doing} "
            "there. Bring the folder back and run this again; look for newer files "
            "where it lay."
        )


def _wait_for_lock(
    file: IO[bytes], folder: pathlib.Path, *, shared: bool, seconds: float
) -> None:
    end = time.monotonic() + seconds
    while not _lock(file, shared=shared):
        if time.monotonic() > end:
            file.seek(0)
            doing = file.read().decode("utf-8", "replace") or "working"
            raise ValueError(
                f"{folder}: another process is {doing} here. Wait for its end, or "
                "choose another `name` or `work`; for `submit`, another `out`."
            )
        time.sleep(0.1)


def _lock(file: IO[bytes], *, shared: bool) -> bool:
    try:
        if fcntl:
            fcntl.flock(
                file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
            )
    except BlockingIOError:
        return False
    except OSError:
        pass  # This file system has no locks: no process is kept out.
    return True
