"""Stages that overlap: one works ahead while the next uses what it made."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
_POLL_SECONDS = 0.1


def ahead(items: Iterable[Item]) -> Generator[Item]:
    """Yield the items in order; a thread makes the next one meanwhile, no more.

    What it raises is raised here. Closed early, it ends the thread.
    """
    made: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=1)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, made, stopped), daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = made.get()
            if is_item:
                yield value
                # Not held while the next one is made.
                del value
            elif value is None:
                return
            else:
                raise value
    finally:
        stopped.set()
        thread.join()


def _fill(
    items: Iterable[Any], made: "queue.Queue[tuple[bool, Any]]", stopped: Any
) -> None:
    last: BaseException | None = None
    iterator = iter(items)
    try:
        for item in iterator:
            if not _put(made, (True, item), stopped):
                break
            del item
    except BaseException as error:
        last = error
    finally:
        if isinstance(iterator, Generator):
            iterator.close()
    _put(made, (False, last), stopped)


def _put(
    made: "queue.Queue[tuple[bool, Any]]", item: tuple[bool, Any], stopped: Any
) -> bool:
    """Put an item when there is room; False where nobody wants it any more."""
    while not stopped.is_set():
        try:
            made.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
