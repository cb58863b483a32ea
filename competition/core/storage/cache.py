"""The mirrors of objects on this machine: a cache of limited size.

An object that is not downloaded yet is an empty placeholder without permissions, with
the object's size, and with its version as time. So folders can be listed as if all
objects were there. Reading downloads the content. When the cache is full, the least
recently used content is dropped.
"""

import contextlib
import errno
import functools
import io
import os
import pathlib
import re
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import IO

from competition.core import processes
from competition.core.storage import place, remote

try:
    import fcntl
except ImportError:  # Windows has no locks, and `check` refuses it.
    fcntl = None  # type: ignore[assignment]

SIZE = "COMPETITION_CACHE_SIZE"
DEFAULT_SIZE = "50GB"
# The mode of a mirror with content: the file is replaced, never written to.
WHOLE = 0o444
# `opened` locks files of these kinds; other files count as in use for this long.
_HELD, _USED_SECONDS = (".png", ".npy"), 600.0
# If all content is in use, wait this long for some to become free.
_WAIT_SECONDS = 20.0
_PART = re.compile(r"\.([0-9]+)-[0-9]+-([0-9]+)\.part")
_AT_ONCE = 16


def limit() -> int:
    """Return the most bytes that the cache may hold."""
    text = os.environ.get(SIZE) or DEFAULT_SIZE
    match = re.fullmatch(r"([0-9.]+) ?([KMGT]?)B?", text.strip().upper())
    try:
        return int(float(match[1]) * 1000 ** " KMGT".index(match[2] or " "))  # type: ignore[index]
    except (TypeError, ValueError):
        raise ValueError(
            f"{SIZE}: expected a size such as 50GB. Received: {text!r}. Correct it."
        ) from None


def is_empty(about: os.stat_result) -> bool:
    """Return whether a file is the placeholder of an object that is not downloaded."""
    return not about.st_mode & 0o777


def place_empty(path: pathlib.Path, about: remote.Object) -> None:
    """Put a placeholder without content at the path of an object's mirror."""
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o200))
        os.truncate(temporary, about.size)
        os.chmod(temporary, 0)
        os.utime(temporary, ns=(about.version, about.version))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def opened(path: pathlib.Path) -> io.BufferedReader:
    """Open a file to read it; the content of a mirror stays as long as it is open.

    It also stays while the file is memory-mapped: the map shares the lock.
    """
    if not place.uri(path):
        return path.open("rb")
    while True:
        fetch(path)
        # The content may have been dropped meanwhile.
        with contextlib.suppress(PermissionError):
            file = path.open("rb")
            fcntl.flock(file, fcntl.LOCK_SH)
            if not is_empty(os.fstat(file.fileno())):
                return file
            file.close()


def fetch(path: pathlib.Path) -> None:
    """Download the content of a mirror, if it is missing, and mark it as just used.

    With a slice the rest of its scan is downloaded too, many slices at a time.
    """
    if not place.uri(path) or not path.is_file():
        return
    if not is_empty(about := path.stat()):
        os.utime(path, ns=(time.time_ns(), about.st_mtime_ns))
        return
    paths = [path]
    if path.suffix == ".png":
        paths = [p for p in path.parent.glob("[!.]*.png") if is_empty(p.stat())]
    if len(paths) < 2:
        _download(path)
    else:
        with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(_download, paths))


def _download(path: pathlib.Path) -> None:
    about, uri = path.stat(), place.uri(path)
    name = f".{os.getpid()}-{threading.get_ident()}-{about.st_size}.part"
    temporary = path.with_name(name)
    try:
        with _room(about.st_size):
            temporary.touch()
        try:
            remote.call("get_file", str(uri), str(temporary), size=about.st_size)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            raise FileNotFoundError(
                f"{uri}: another machine has removed it. Run this again."
            ) from None
        os.chmod(temporary, WHOLE)
        os.utime(temporary, ns=(time.time_ns(), about.st_mtime_ns))
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise remote.StorageError(
            f"{place.root()}: expected room for {about.st_size / 1e6:.1f} MB on this "
            f"machine's disk, received that it is full. Set {SIZE} to less than it has "
            f"room for, or {place.CACHE} to a folder of another disk."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _room(size: int, *, always: bool = False) -> Iterator[None]:
    """Make room for `size` bytes; they are counted after the block.

    All processes share the count, which is never too small: removed files stay in it
    until it reaches the limit, and then all files are counted again. With `always` a
    lack of room is no error: a checkpoint matters more than the limit.
    """
    end, most = time.monotonic() + _WAIT_SECONDS, limit()
    while True:
        with _counter() as counter:
            text = counter.read()
            used = int(text) if text.isdigit() else most
            if used + size > most:
                used = _evict(min(most - size, most * 9 // 10))
            if used + size <= most or always:
                yield
                counter.seek(0)
                counter.truncate()
                counter.write(b"%d" % (used + size))
                return
        if time.monotonic() > end or size > most:
            raise remote.StorageError(
                f"{place.root()}: expected room for {size / 1e6:.1f} MB in this cache "
                f"of {most / 1e6:.1f} MB, received {used / 1e6:.1f} MB that are in "
                f"use. Set {SIZE} to more, such as {DEFAULT_SIZE}."
            )
        time.sleep(0.2)


def make_room(size: int) -> None:
    """Make room, as far as possible, for a file that exists already."""
    with _room(size, always=True):
        pass


@contextlib.contextmanager
def _counter() -> Iterator[IO[bytes]]:
    """Lock the file with the bytes of the cache against all other processes."""
    path = pathlib.Path(place.root(), ".bytes")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def _evict(target: int) -> int:
    """Drop content, the least recently used first; return the bytes that stay."""
    total, found = 0, []
    for folder, _, names in os.walk(place.root()):
        for name in names:
            path = pathlib.Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                about = path.lstat()
                if part := _PART.fullmatch(name):
                    total += _size_of_part(path, int(part[1]), int(part[2]))
                elif not is_empty(about):
                    total += about.st_size
                    if about.st_mode & 0o777 == WHOLE:
                        found.append((about.st_atime_ns, path, about))
    for _, path, about in sorted(found, key=lambda each: each[0]):
        if total <= target:
            break
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if _is_idle(file, path, about):
                known = remote.Object(about.st_size, about.st_mtime_ns)
                place_empty(path, known)
                total -= about.st_size
    return total


def _size_of_part(path: pathlib.Path, process: int, size: int) -> int:
    """Return the final size of a download; remove it if its process is dead."""
    if processes.is_alive(process):
        return size
    path.unlink(missing_ok=True)
    return 0


def _is_idle(file: IO[bytes], path: pathlib.Path, about: os.stat_result) -> bool:
    """Return whether nobody reads a mirror; lock it if `opened` uses its lock."""
    if path.suffix not in _HELD:
        return time.time() - about.st_atime > _USED_SECONDS
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@functools.cache
def check(folder: str) -> None:
    """Refuse a file system without locks, or that changes modes and times of files."""
    probe = pathlib.Path(folder, f".probe-{os.getpid()}")
    about = remote.Object(1, 1_000_000_000_123_456_789)
    probe.parent.mkdir(parents=True, exist_ok=True)
    place_empty(probe, about)
    found = probe.stat()
    probe.unlink()
    if not fcntl or not is_empty(found) or found.st_mtime_ns != about.version:
        raise ValueError(
            f"{folder}: expected a file system with locks, that keeps the mode of a "
            "file and its time in nanoseconds, received one that does not. Set "
            f"{place.CACHE} to a folder on a local disk."
        )
