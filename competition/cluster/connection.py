"""The connection to a cluster, opened in seconds or refused with what to do."""

import contextlib
import importlib.util
import logging
import os
import pathlib
import re
import signal
import socket
from collections.abc import Iterator
from typing import Any

from competition.cluster import nodes
from competition.core import console
from competition.machine import process

SECONDS = 5.0
TOKEN = pathlib.Path("~/.ray/auth_token")
# Each node gets these variables from here: how to compute, and where data lies.
CARRIED = (
    "KERAS_BACKEND",
    "XLA_FLAGS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    # The keys to a storage are left out, since Ray shows these variables.
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
# Ray reads these when it is imported.
SETTINGS = {
    # Folds print lines that resemble each other.
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# Otherwise Ray would try for a quarter of an hour at the port of another program.
IMPATIENT = {
    "RAY_NUM_REDIS_GET_RETRIES": "1",
    "RAY_py_gcs_connect_timeout_s": "5",
    "RAY_gcs_server_request_timeout_seconds": "10",
}


@contextlib.contextmanager
def opened(address: str | None) -> Iterator[nodes.Cluster | None]:
    """Connect to the cluster at `address` while the block runs; yield None for None.

    "local" starts a cluster on this machine, and "auto" finds the one that this machine
    is a node of. Other addresses are HOST:PORT of a head node, or ray://HOST:PORT from
    outside. An interrupt and SIGTERM end the block as Ctrl-C does.
    """
    if address is None:
        yield None
        return
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "--cluster needs Ray, which is not installed. Install it here and on all "
            'nodes, in the same version: pip install "ray[client]==2.60.0".'
        )
    _check_reachable(address)
    settings = SETTINGS if address == "local" else SETTINGS | IMPATIENT
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    if TOKEN.expanduser().is_file():
        # Ray looks for the token by itself only on nodes. Clusters without a token
        # accept it too.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not console.ERR.is_terminal:
        os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    import ray

    before = signal.getsignal(signal.SIGTERM)
    try:
        _connect(address)
        # In place of Ray's own handler, which would end this process.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        cluster = nodes.Cluster(address)
        console.note(cluster.describe())
        yield cluster
    finally:
        signal.signal(signal.SIGTERM, before)
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise an error if no cluster answers at once; Ray would wait for minutes."""
    if address in ("local", "auto"):
        return
    found = re.fullmatch(r"(?:ray://)?([^\s:/]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", address)
    if not found:
        raise ValueError(
            "A cluster is local, auto, HOST:PORT or ray://HOST:PORT, such as "
            f"10.0.0.1:6379. Received: {address!r}."
        )
    host, port = found[1].strip("[]"), int(found[2])
    try:
        socket.create_connection((host, port), SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"No cluster answers at {address} ({error}). Expected the head node that "
            "`ray start --head --port=6379 --ray-client-server-port=10001` prepares: "
            "HOST:6379 on its nodes, ray://HOST:10001 elsewhere. Start it, or open the "
            "port."
        ) from None


def _connect(address: str) -> None:
    import ray

    options: dict[str, Any] = {"address": address}
    if address == "local":
        # Nothing large passes through Ray's object store.
        options |= {"include_dashboard": False, "object_store_memory": 100 * 2**20}
    package = str(process.PACKAGE / "competition")
    carried = {name: os.environ[name] for name in CARRIED if name in os.environ}
    try:
        ray.init(
            **options,
            logging_level=logging.ERROR,
            log_to_driver=True,
            # So all nodes run the code of this machine.
            runtime_env={
                "py_modules": [package],
                "excludes": ["__pycache__/"],
                "env_vars": carried,
            },
        )
    except Exception as error:
        raise ValueError(_refusal(address, error)) from error


def _refusal(address: str, error: Exception) -> str:
    """Describe why Ray did not connect, and what to do."""
    text = str(error) or repr(error)
    if "version" in text.lower() and "mismatch" in text.lower():
        return (
            f"{text.strip()}\nThe versions of Ray and Python must be the same on this "
            f"machine and on all nodes of {address}. Install the same versions on all, "
            "and start the cluster again."
        )
    return (
        f"No connection to the cluster at {address}: {text.strip()}\nHOST:6379 of the "
        "head node is for machines that are nodes themselves, ray://HOST:10001 for "
        "others; `ray status` lists the nodes. All need the token of the head node: "
        f"copy its {TOKEN} to this machine."
    )
