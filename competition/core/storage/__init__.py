"""Use folders of an object storage like local folders: `--work s3://bucket/work`.

A URI is mirrored below a cache (`place`). Reading a file downloads it if needed. A file
that `files.replacing` finishes is uploaded before it gets its name here. So the storage
holds at each instant what a local disk would hold.
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
# The seconds between two uploads of a heartbeat: each upload is charged. `watch` looks
# at the storage as often.
BEAT_SECONDS = 20.0


def mirrored(text: str | os.PathLike[str]) -> pathlib.Path:
    """Return the mirror of a URI, up to date with the storage, or a path as it is."""
    folder = place.path(text)
    if folder != pathlib.Path(text):
        refresh(folder)
    return folder


def refresh(folder: pathlib.Path) -> None:
    """Update the mirror of a folder from the storage, without the files' contents."""
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
            # A newer file was written after the listing.
            is_newer = stat.st_mtime_ns // 10**9 > about.version // 10**9
            if stat.st_mtime_ns == about.version or is_newer:
                continue
        cache.place_empty(mirror, about)
    for above, _, names in os.walk(folder):
        for mirror in (pathlib.Path(above, name) for name in names):
            if mirror.relative_to(folder).as_posix() not in found:
                _forget(mirror)


def _forget(mirror: pathlib.Path) -> None:
    """Remove the mirror of an object that is gone; files that are no mirrors stay."""
    uri = place.uri(mirror)
    with contextlib.suppress(FileNotFoundError):
        stat = mirror.stat()
        is_mirror = cache.is_empty(stat) or stat.st_mode & 0o777 == cache.WHOLE
        # The object may have been written after the listing.
        if uri and is_mirror and not remote.exists(uri):
            mirror.unlink()


def upload(temporary: pathlib.Path, path: pathlib.Path) -> None:
    """Upload a finished file, if the path that it will get is in a mirror.

    The storage has the whole file or nothing. A folder stays on this machine.
    """
    uri = place.uri(path)
    if uri is None or not temporary.is_file():
        return
    _publish(temporary, uri)
    os.chmod(temporary, cache.WHOLE)


def own(path: pathlib.Path) -> None:
    """Fetch a mirrored file that will be written in place, and make it writable.

    `publish` uploads it again. The caller must hold the folder.
    """
    if place.uri(path):
        # By this machine's clock the file may look newer than one that others wrote.
        path.unlink(missing_ok=True)
        refresh(path.parent)
        cache.fetch(path)
        if path.is_file():
            path.chmod(0o644)


def publish(path: pathlib.Path) -> None:
    """Upload a file that grows, such as a log, as it is now."""
    if (uri := place.uri(path)) and path.is_file():
        _publish(path, uri)


def _publish(file: pathlib.Path, uri: str) -> None:
    leases.check()
    cache.make_room(file.stat().st_size)
    version = remote.put(uri, file)
    os.utime(file, ns=(time.time_ns(), version))


def remove(path: pathlib.Path) -> None:
    """Remove the object that a path mirrors, if any; the caller removes the path."""
    if uri := place.uri(path):
        leases.check()
        names = remote.listing(uri) if path.is_dir() else [""]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                remote.call("rm_file", f"{uri}/{name}".rstrip("/"))


def set_aside(path: pathlib.Path, aside: pathlib.Path) -> None:
    """Rename a file, because another file will take its name.

    In the storage the file keeps both names until then.
    """
    uri, other = place.uri(path), place.uri(aside)
    if uri and other:
        leases.check()
        remote.call("cp_file", uri, other, size=path.stat().st_size)
        version = remote.look(other).version
        os.utime(path, ns=(time.time_ns(), version))
    os.replace(path, aside)


def beat(path: pathlib.Path, *, is_over: bool = False) -> None:
    """Upload a heartbeat for other machines, or remove it; errors are ignored."""
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
    """Lock a mirrored folder against other machines, and update it with their files.

    The caller must hold the lock on this machine.
    """
    if uri := place.uri(folder):
        with leases.held(uri, doing=doing, shared=shared, seconds=seconds):
            refresh(folder)
            yield
    else:
        yield
