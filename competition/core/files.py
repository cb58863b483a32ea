"""Write files so that none is ever half-written."""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import platform
import shutil
import time
from collections.abc import Iterator
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows has no locks: no process is kept out.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
# A process that was killed may take this long to end.
ENDING_SECONDS = 5.0


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path` that takes its name on success.

    If the block raises, the temporary file or folder is removed; so is one that an
    earlier, killed process left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: NumPy and Keras decide the format by it.
    mine = f".{platform.node()}-"
    temporary = path.with_name(f"{mine}{os.getpid()}-{path.name}")
    for left in path.parent.glob(f"{glob.escape(mine)}*-{glob.escape(path.name)}"):
        number = left.name.removeprefix(mine).removesuffix(f"-{path.name}")
        if number.isdecimal() and not _is_alive(int(number)):
            _remove(left)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # The process belongs to another user.
    return True


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: pathlib.Path, *, doing: str) -> Iterator[None]:
    """Hold a folder against other processes; if one holds it already, raise an error.

    The lock file lies beside the folder, which may be replaced meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}{LOCK}").open("w") as file:
        end = time.monotonic() + ENDING_SECONDS
        while not _lock(file):
            if time.monotonic() > end:
                raise ValueError(
                    f"{folder}: another process is {doing} here. Wait for its end or "
                    "choose another `name`."
                )
            time.sleep(0.1)
        yield


def _lock(file: IO[str]) -> bool:
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # The file system has no locks: no process is kept out.
    return True


def digest(content: bytes | str, digits: int = 16) -> str:
    """Return the first `digits` of the SHA-256 of bytes, or of a text as UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:digits]


def file_digest(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file of any size, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with Unix line ends, in one step."""
    write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON; NaN is an error, use None."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def require(path: pathlib.Path, step: str, *, fault: str = "not found") -> None:
    """Raise an error that names the step which writes `path`, where it is missing."""
    if not path.is_file():
        raise ValueError(f"{path}: {fault}. Run `python -m competition {step}` first.")


def read_json(path: pathlib.Path) -> Any:
    """Read a JSON file; the error about a broken file names it."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is not valid JSON ({error}). Delete it and run the step again."
        ) from error
