"""Leases: locks of folders in the storage against steps on other machines.

Each holder writes its own object beside the folder, and only then looks for those of
others: if two begin at once, at least one sees the other. A lease is renewed as long as
its process lives. A lease that is old by the storage's own clock is ignored, since its
machine is lost.
"""

import contextlib
import json
import os
import pathlib
import platform
import random
import threading
import time
from collections.abc import Iterator

from competition.core.storage import place, remote

RENEWED_SECONDS, DEAD_SECONDS = 30.0, 180.0
# On Linux this clock also counts the time in which the machine sleeps.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_held: set["_Lease"] = set()
_lock = threading.Lock()
_renewer: threading.Thread | None = None


class _Lease:
    """One lease; its object is named after its kind, the cache and a random number."""

    def __init__(self, folder: str, doing: str, *, shared: bool) -> None:
        above, _, name = folder.rpartition("/")
        self.folder, self.shared = folder, shared
        self.beside = f"{above}/.{name}.lock"
        self.cache = _cache_name()
        kind = "shared" if shared else "alone"
        self.name = f"{kind}-{self.cache}-{os.urandom(8).hex()}"
        about = {"doing": doing, "host": platform.node(), "process": os.getpid()}
        self.about = json.dumps(about).encode()
        self.is_lost = False
        # The time of the last request that renewed it, by a clock of this machine; 0
        # where it is not written.
        self.renewed = 0.0
        # The thread that renews it must not write it again once it is removed.
        self._changing = threading.Lock()

    def write(self, *, seconds: float = -1) -> None:
        """Write the object, for the first time or again."""
        sent = time.clock_gettime(_CLOCK)
        uri = f"{self.beside}/{self.name}"
        remote.call("pipe_file", uri, self.about, seconds=seconds)
        self.renewed = sent

    def remove(self) -> None:
        """Remove the object."""
        with self._changing, contextlib.suppress(FileNotFoundError):
            self.renewed = 0.0
            remote.call("rm_file", f"{self.beside}/{self.name}")

    def in_the_way(self) -> str | None:
        """Return the name of a living lease that excludes this one.

        This lease must be written already. Dead leases are removed: those that were not
        renewed, and those of this machine that exclude this one. Their process is dead,
        since it does not hold the mirror's lock.
        """
        found = remote.listing(self.beside)
        if self.name not in found:
            return self.name
        now = found.pop(self.name).version
        for name, about in found.items():
            kind, cache, _ = name.split("-")
            if now - about.version < DEAD_SECONDS * 1e9:
                if kind == "shared" and self.shared:
                    continue
                if cache != self.cache:
                    return name
            with contextlib.suppress(FileNotFoundError):
                remote.call("rm_file", f"{self.beside}/{name}")
        return None

    def renew(self, *, seconds: float) -> None:
        """Write the object again, unless this or another machine has removed it."""
        with self._changing:
            if not self.renewed:
                return
            if self.is_lost or not remote.exists(f"{self.beside}/{self.name}"):
                self.is_lost = True
            else:
                self.write(seconds=seconds)


@contextlib.contextmanager
def held(folder: str, *, doing: str, shared: bool, seconds: float) -> Iterator[None]:
    """Hold the folder of a URI; if another machine holds it, wait, then raise an error.

    The caller must hold the mirror's lock, against processes on this machine.
    """
    lease = _Lease(folder, doing, shared=shared)
    try:
        _acquire(lease, seconds)
        with _lock:
            _held.add(lease)
        _start_renewing()
        yield
    finally:
        with _lock:
            _held.discard(lease)
        if lease.renewed:
            # An error that ends the block must not be replaced by this one.
            with contextlib.suppress(remote.StorageError):
                lease.remove()


def _acquire(lease: _Lease, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        lease.write()
        other = lease.in_the_way()
        if other is None:
            return
        lease.remove()
        if time.monotonic() > end:
            raise ValueError(
                f"{lease.folder}: {_describe(f'{lease.beside}/{other}')} here. Wait "
                "for its end or choose another `name`. If it is lost, its lease ends "
                f"{DEAD_SECONDS / 60:.0f} minutes after its last sign of life."
            )
        # Two that begin at once see each other, so each waits for a random time.
        time.sleep(random.uniform(0.1, 1))


def _describe(uri: str) -> str:
    try:
        about = json.loads(remote.call("cat_file", uri))
        return f"process {about['process']} of {about['host']} is {about['doing']}"
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "another process is working"


def check() -> None:
    """Refuse to write if a lease of this process has ended, or may have.

    A machine that slept, or had no network, must not overwrite another's files.
    """
    with _lock:
        leases = list(_held)
    for lease in leases:
        if time.clock_gettime(_CLOCK) - lease.renewed > DEAD_SECONDS * 2 / 3:
            lease.renew(seconds=-1)
        if lease.is_lost:
            raise remote.StorageError(
                f"{lease.folder}: this process gave no sign of life for "
                f"{DEAD_SECONDS / 60:.0f} minutes, and another went on in its place. "
                "Files that this process had not written yet are left out. Run this "
                "again once the other has ended."
            )


def _start_renewing() -> None:
    global _renewer
    with _lock:
        if not (_renewer and _renewer.is_alive()):
            _renewer = threading.Thread(target=_go_on, daemon=True)
            _renewer.start()


def _go_on() -> None:
    while True:
        time.sleep(RENEWED_SECONDS)
        with _lock:
            leases = list(_held)
        for lease in leases:
            # A storage may answer the next time; `check` reports lost leases.
            with contextlib.suppress(Exception):
                lease.renew(seconds=RENEWED_SECONDS)


def _cache_name() -> str:
    """Return the name of this machine's cache, whose processes share its locks."""
    path = pathlib.Path(place.root(), ".name")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        temporary = path.with_name(f".name-{os.getpid()}-{threading.get_ident()}")
        temporary.write_text(os.urandom(8).hex(), "utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    return path.read_text("utf-8")
