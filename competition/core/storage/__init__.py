"""Folders of an object storage as folders of this machine: `--work s3://bucket/work`.

A URI is mirrored below a cache (`place`). Reading fetches what is not there yet; a file
that `files.replacing` finishes is in the storage before it has its name here. So what
lies in the storage is, at each instant, what would lie on a disk.
"""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator

from competition.core.storage import cache, leases, place, remote

StorageError = remote.StorageError
path, uri, name, shown = place.path, place.uri, place.name, place.shown
opened, fetch = cache.opened, cache.fetch
limit, SIZE = cache.limit, cache.SIZE
# Of heartbeats: a storage takes money for each.
BEAT_SECONDS = 20.0


def mirrored(text: str | os.PathLike[str]) -> pathlib.Path:
    """Return the folder of a URI as the storage has it now, or a path as it is."""
    folder = place.path(text)
    if folder != pathlib.Path(text):
        refresh(folder)
    return folder


def refresh(folder: pathlib.Path) -> None:
    """Bring the mirror of a folder to what the storage holds now, without contents."""
    uri = place.uri(folder)
    if uri is None:
        return
    cache.check(place.root())
    try:
        listed = remote.listing(uri)
    except FileNotFoundError:
        listed = {}
    found = {name: about for name, about in listed.items() if place.is_plain(name)}
    for name, about in found.items():
        mirror = folder / name
        try:
            stat = mirror.stat()
        except FileNotFoundError:
            mirror.parent.mkdir(parents=True, exist_ok=True)
        else:
            # A newer one was written after the listing.
            is_newer = stat.st_mtime_ns // 10**9 > about.version // 10**9
            if stat.st_mtime_ns == about.version or is_newer:
                continue
        cache.place_empty(mirror, about)
    for above, _, names in os.walk(folder):
        for mirror in (pathlib.Path(above, name) for name in names):
            if mirror.relative_to(folder).as_posix() not in found:
                _forget(mirror)


def _forget(mirror: pathlib.Path) -> None:
    """Remove the mirror of an object that is gone; what was never one stays."""
    uri = place.uri(mirror)
    with contextlib.suppress(FileNotFoundError):
        stat = mirror.stat()
        is_mirror = cache.is_empty(stat) or stat.st_mode & 0o777 == cache.WHOLE
        # It may have been written after the listing.
        if uri and is_mirror and not remote.exists(uri):
            mirror.unlink()


def upload(temporary: pathlib.Path, path: pathlib.Path) -> None:
    """Write a finished file to the storage, if it is to have its name in a mirror.

    The storage has it whole or not at all. A folder stays on this machine.
    """
    uri = place.uri(path)
    if uri is None or not temporary.is_file():
        return
    _publish(temporary, uri)
    os.chmod(temporary, cache.WHOLE)


def own(path: pathlib.Path) -> None:
    """Let a file that is written in place be as the storage has it, if it mirrors one.

    `publish` takes it there again; the caller holds its folder.
    """
    if place.uri(path):
        # By the clock of this machine it may look newer than what others have written.
        path.unlink(missing_ok=True)
        refresh(path.parent)
        cache.fetch(path)
        if path.is_file():
            path.chmod(0o644)


def publish(path: pathlib.Path) -> None:
    """Write a file that grows, such as a log, to the storage as it is now."""
    if (uri := place.uri(path)) and path.is_file():
        _publish(path, uri)


def _publish(file: pathlib.Path, uri: str) -> None:
    leases.check()
    cache.make_room(file.stat().st_size)
    version = remote.put(uri, file)
    os.utime(file, ns=(time.time_ns(), version))


def remove(path: pathlib.Path) -> None:
    """Remove the object that a path mirrors, if any; the path stays for the caller."""
    if uri := place.uri(path):
        leases.check()
        names = remote.listing(uri) if path.is_dir() else [""]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                remote.call("rm_file", f"{uri}/{name}".rstrip("/"))


def set_aside(path: pathlib.Path, aside: pathlib.Path) -> None:
    """Give a file another name, as another one is about to take its own.

    In the storage both names keep it until then.
    """
    uri, other = place.uri(path), place.uri(aside)
    if uri and other:
        leases.check()
        remote.call("cp_file", uri, other, size=path.stat().st_size)
        version = remote.look(other).version
        os.utime(path, ns=(time.time_ns(), version))
    os.replace(path, aside)


def beat(path: pathlib.Path, *, is_over: bool = False) -> None:
    """Show a heartbeat to other machines, or take it away; a failure costs nothing."""
    if uri := place.uri(path):
        with contextlib.suppress(StorageError, OSError):
            if is_over:
                remote.call("rm_file", uri, seconds=0)
            else:
                remote.call("put_file", uri, os.fspath(path), seconds=0)


@contextlib.contextmanager
def held(
    folder: pathlib.Path, *, doing: str, shared: bool, seconds: float
) -> Iterator[None]:
    """Hold a mirrored folder against other machines, and see what they have written.

    The caller holds the folder on this machine.
    """
    if uri := place.uri(folder):
        with leases.held(uri, doing=doing, shared=shared, seconds=seconds):
            refresh(folder)
            yield
    else:
        yield
