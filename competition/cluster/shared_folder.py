"""A mark by which a node sees that a folder is the one that the caller means."""

import contextlib
import pathlib
import socket
import uuid
from collections.abc import Iterator

from competition.core import locks


@contextlib.contextmanager
def marked(folder: pathlib.Path) -> Iterator[str]:
    """Put a file into the folder while the block runs, and yield its name."""
    # No file of a run, and in no other's way.
    path = folder / f".cluster-{uuid.uuid4().hex}{locks.SUFFIX}"
    path.touch()
    try:
        yield path.name
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def check(folder: str, mark: str) -> None:
    """Refuse a node on which the folder is missing, or another one of its name."""
    path, node = pathlib.Path(folder), socket.gethostname()
    if (path / mark).exists():
        return
    what = "another folder of this name" if path.is_dir() else "no such folder"
    raise ValueError(
        f"The node {node} has {what}: {folder}. Expected the one in which this command "
        "works. Mount it under the same path on all nodes."
    )
