"""The hosts that train one network together: the processes of `jax.distributed`.

All hosts call the same functions in the same order; host 0 decides, reads and writes.
With one host, the default, each function answers for that one and loads no JAX.
"""

import atexit
import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from competition.core import storage
from competition.machine import deadline, host_process

Result = TypeVar("Result")
PACKAGE = pathlib.Path(__file__).parents[1]
# Words in the errors of connections between hosts, in lower case, when a host is lost.
_LOST = "gloo", "nccl", "coordination", "unavailable", "connection", "socket", "aborted"
# A limit that is never reached: JAX ends a process whose partner is lost.
_EVER = 7 * 24 * 3600
# How long the other hosts may take to run out of memory as well.
_MEMORY_SECONDS = 60
# How long a host that ends waits for others that end as well.
_ENDING_SECONDS = 3


class _AgreedError(ValueError):
    """An error that the hosts have already shared, whatever its text."""


@dataclasses.dataclass
class _Hosts:
    client: Any = None
    index: int = 0
    count: int = 1
    meetings: int = 0


_now = _Hosts()


def count() -> int:
    """Return how many hosts train together."""
    return _now.count


def is_first() -> bool:
    """Return whether this is host 0, which writes."""
    return _now.index == 0


@contextlib.contextmanager
def joined(place: host_process.Place | None) -> Iterator[None]:
    """Join the other hosts inside the `with` block; None is a single host.

    An error of this host ends the others too. If another host is lost, JAX raises an
    error or ends this process.
    """
    if place is None:
        yield
        return
    try:
        _join(place)
        yield
    except BaseException as error:
        # At exit JAX would wait minutes for hosts that wait for this one.
        atexit.register(_end_now)
        if isinstance(error, Exception) and _is_of_lost_host(error):
            told = str(error).partition("\n")[0][:200]
            raise ValueError(
                f"Another host has ended or cannot be reached ({told}). "
                f"{host_process.AGAIN}"
            ) from error
        raise
    import jax

    jax.distributed.shutdown()
    _now.client, _now.index, _now.count = None, 0, 1


def _join(place: host_process.Place) -> None:
    import jax
    from jax._src import distributed

    from competition.net.frameworks import keras

    found = place.coordinator == host_process.FIND
    try:
        jax.distributed.initialize(
            None if found else place.coordinator,
            place.hosts,
            place.host,
            initialization_timeout=host_process.START_SECONDS,
            heartbeat_timeout_seconds=host_process.LOST_SECONDS,
        )
    except ValueError as error:
        if not found:
            raise
        raise ValueError(
            f"JAX finds no other hosts here ({error}). Give --coordinator HOST:PORT, "
            "--hosts N and --host I on each."
        ) from None
    state = distributed.global_state
    # JAX has no public interface to its key-value store, which needs no device.
    _now.client, _now.index = state.client, state.process_id
    _now.count = state.num_processes
    same(
        {
            "Python": platform.python_version(),
            "JAX": jax.__version__,
            "Keras": keras.__version__,
            "the code of this package": _code(),
        }
    )
    # All hosts must take part when devices are listed for the first time.
    devices = jax.local_devices()
    same({"devices": f"{len(devices)} {devices[0].device_kind}"})


def _code() -> str:
    total = hashlib.sha256()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")]):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return total.hexdigest()[:16]


def _is_of_lost_host(error: Exception) -> bool:
    is_ours = isinstance(error, _AgreedError | OSError | storage.StorageError)
    return not is_ours and any(each in str(error).lower() for each in _LOST)


def _end_now() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    # The end of host 0 ends the others, which may not have shown their error yet.
    with contextlib.suppress(Exception):
        _now.client.wait_at_barrier("end", _ENDING_SECONDS * 1000)
    # Not 1, with which JAX ends a process that has lost another host.
    os._exit(3)


def gather(value: Any) -> list[Any]:
    """Return the values of all hosts in the order of the hosts, as JSON keeps them."""
    if count() == 1:
        return [value]
    _now.meetings += 1
    number, client = _now.meetings, _now.client
    client.key_value_set(f"meeting/{number}/{_now.index}", json.dumps(value))
    client.wait_at_barrier("meeting", _EVER * 1000)
    told = dict(client.key_value_dir_get(f"meeting/{number}/"))
    # Every host that passed this barrier has read the previous values, so they can be
    # deleted.
    if number > 1:
        client.key_value_delete(f"meeting/{number - 1}/{_now.index}")
    return [json.loads(told[f"meeting/{number}/{i}"]) for i in range(count())]


def first(value: Any) -> Any:
    """Return the value of host 0; those of others do not matter."""
    return gather(value if is_first() else None)[0]


def divided(names: Sequence[str], work: Callable[[str], Any]) -> dict[str, Any]:
    """Return what `work` makes of each name; each host does a part of the work."""
    mine = names[_now.index :: count()]
    done = gather({name: work(name) for name in mine})
    return {name: done[i % count()][name] for i, name in enumerate(names)}


def together(work: Callable[[], Result]) -> Result:
    """Return what `work` returns on this host; an error of any is raised on all.

    `work` must not need the other hosts.
    """
    if count() == 1:
        return work()
    fault = None
    try:
        result = work()
    except (ValueError, OSError, storage.StorageError) as error:
        fault = str(error) or repr(error)
    faults = gather(fault)
    if any(faults):
        told = [f"host {i}: {each}" for i, each in enumerate(faults) if each]
        raise _AgreedError("; ".join(dict.fromkeys(told)))
    return result


def same(about: dict[str, Any]) -> None:
    """Raise an error on all hosts where they differ in anything that `about` names."""
    everywhere = gather(about)
    for name in about:
        values = [each[name] for each in everywhere]
        if any(value != values[0] for value in values):
            told = ", ".join(f"host {i}: {value}" for i, value in enumerate(values))
            raise _AgreedError(
                f"The hosts must be alike in {name}. Received: {told}. Make them alike "
                "and run the same on every host again."
            )


def from_first(data: bytes) -> bytes:
    """Return the bytes of host 0; those of others do not matter."""
    if count() == 1:
        return data
    import numpy as np
    from jax.experimental import multihost_utils

    size, piece = first(len(data)), 2**24
    own = np.frombuffer(data if is_first() else bytes(size), np.uint8)
    # All pieces have one size, which is compiled once.
    padded = np.pad(own, (0, math.ceil(size / piece) * piece - size))
    sent = map(multihost_utils.broadcast_one_to_all, padded.reshape(-1, piece))
    return b"".join(np.asarray(each).tobytes() for each in sent)[:size]


def have_no_memory() -> None:
    """Return if all hosts ran out of memory; raise an error if only this one did."""
    if count() == 1:
        return
    try:
        # Hosts that have memory never come to this barrier.
        _now.client.wait_at_barrier("memory", _MEMORY_SECONDS * 1000)
    except Exception:
        raise _AgreedError(
            f"Host {_now.index} has no memory for its part of the batch, and others "
            "have. End other programs on its devices, or use hosts that are alike. "
            f"{host_process.AGAIN}"
        ) from None


def part(size: int) -> slice:
    """Return which samples of a batch this host reads."""
    own = size // count()
    return slice(_now.index * own, (_now.index + 1) * own)


class SharedDeadline(deadline.Deadline):
    """A deadline by the clock of host 0; all hosts must ask it together."""

    def left(self) -> float:
        """Return the seconds that are left on host 0."""
        return float(first(super().left()))

    def share(self, parts: float) -> deadline.Deadline:
        """Return the deadline of the first of `parts` equal parts of the time left."""
        return SharedDeadline(self.left() / parts, self.clock)
