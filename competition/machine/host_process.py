"""Run this host, one of several that train one network, in a process of its own.

If another host is lost, JAX ends that process without a message of ours. So its parent
says what happened and what to do.
"""

import dataclasses
import signal
import socket
import time
from collections.abc import Sequence

from competition.machine import backend, process

# How long hosts wait for each other at the start; it is the default of JAX.
START_SECONDS = 300
# A host that sends nothing for this long counts as lost.
LOST_SECONDS = 30
FIND = "auto"
AGAIN = (
    "Look at the messages of the others, then run the same on every host again: "
    "training goes on after the last finished epoch."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The number of this host, the number of hosts, and the HOST:PORT of host 0.

    With the coordinator "auto" JAX finds all three: on a TPU slice, under SLURM, MPI or
    Kubernetes.
    """

    coordinator: str
    hosts: int | None = None
    host: int | None = None

    def __post_init__(self) -> None:
        given = f"--coordinator {self.coordinator} --hosts {self.hosts} --host "
        given += str(self.host)
        if self.coordinator == FIND and self.hosts is self.host is None:
            return
        name, _, port = self.coordinator.rpartition(":")
        is_address = name and port.isdecimal() and 0 < int(port) < 65536
        is_place = self.host is not None and 0 <= self.host < (self.hosts or 0)
        if not (is_address and is_place):
            raise ValueError(
                "The place of a host is --coordinator HOST:PORT, where host 0 is "
                "reached, --hosts N and --host from 0 to N - 1; or --coordinator auto "
                f"alone on a TPU slice or under SLURM. Received: {given}."
            )

    @property
    def address(self) -> tuple[str, int]:
        """The coordinator's name and port."""
        name, _, port = self.coordinator.rpartition(":")
        return name.strip("[]"), int(port)


def run(arguments: Sequence[str], place: Place) -> str:
    """Run this command with its arguments as one of several hosts; return its output.

    The command runs in a process of its own. If another host ends that process, the
    error says what to do.
    """
    name, source = backend.chosen()
    if name != "jax":
        raise ValueError(
            f"Several hosts train one network on JAX alone. Received: {name}, by "
            f"{source}. Set KERAS_BACKEND=jax on every host."
        )
    if place.coordinator != FIND:
        _check_port(place)
    try:
        return process.run(["-m", "competition", *arguments])
    except process.EndedError as error:
        # With one of these JAX ends a process when another host is lost.
        if error.status not in {1, -signal.SIGABRT}:
            raise
        raise ValueError(
            f"Another host was lost, or did not come within {START_SECONDS} seconds. "
            f"The message of JAX stands above. {AGAIN}"
        ) from None


def _check_port(place: Place) -> None:
    """Raise an error if host 0 cannot listen at its port, or is not reached there."""
    if place.host == 0:
        with socket.socket() as taken:
            # A run that has just ended may still occupy the port.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("", place.address[1]))
            except OSError as error:
                raise ValueError(
                    f"Host 0 cannot listen at port {place.address[1]}: "
                    f"{error.strerror}. Wait until an earlier run has ended, or choose "
                    "another port for --coordinator on all hosts."
                ) from None
        return
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(place.address, timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise ValueError(
                    f"No coordinator at {place.coordinator} within {START_SECONDS} "
                    f"seconds: {error}. Start host 0 there, give all hosts the same "
                    "--coordinator, an address of host 0 that the others reach, and "
                    "open its port in the firewall."
                ) from None
        time.sleep(1)
