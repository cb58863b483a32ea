"""Check that all nodes see the same folder, and wait until its files are there."""

import contextlib
import pathlib
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence

from competition.core import locks, storage

# A network file system may take so long to show a node's files on other machines.
SEEN_SECONDS = 120.0


@contextlib.contextmanager
def marked(folder: pathlib.Path) -> Iterator[str]:
    """Put a file into the folder while the block runs, and yield its name.

    A folder of a storage needs no such file: all nodes name it by its URI.
    """
    if storage.uri(folder):
        yield ""
        return
    # Its suffix is that of locks, which are no files of a run; its name is unique.
    path = folder / f".cluster-{uuid.uuid4().hex}{locks.SUFFIX}"
    path.touch()
    try:
        yield path.name
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def check(folder: str, mark: str) -> None:
    """Raise an error if this node lacks the folder, or has another of its name."""
    path, node = pathlib.Path(folder), socket.gethostname()
    if not mark or (path / mark).exists():
        return
    what = "another folder of this name" if path.is_dir() else "no such folder"
    raise ValueError(
        f"The node {node} has {what}: {folder}. Expected the one in which this command "
        "works. Mount it under the same path on all nodes."
    )


def sizes(paths: Iterable[pathlib.Path]) -> list[int]:
    """Return the bytes of each file; -1 for one that is missing."""
    return [path.stat().st_size if path.exists() else -1 for path in paths]


def wait_for(paths: Sequence[pathlib.Path], expected: Sequence[int]) -> None:
    """Wait until files have the same size here as on the node that wrote them."""
    end = time.monotonic() + SEEN_SECONDS
    for folder in {path.parent for path in paths}:
        storage.refresh(folder)
    while (received := sizes(paths)) != expected:
        if time.monotonic() > end:
            path, here, there = next(
                each for each in zip(paths, received, expected, strict=True)
                if each[1] != each[2]
            )  # fmt: skip
            raise ValueError(
                f"{path} has {there} bytes on the node that wrote it, {here} here (-1: "
                "no file). Mount its folder under the same path here and on all nodes."
            )
        time.sleep(1.0)
