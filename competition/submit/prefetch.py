"""Stages that overlap: each works ahead in a thread while the next uses its items."""

import itertools
import threading
from collections.abc import Generator
from typing import Any, TypeVar

from competition.machine import threads

Item = TypeVar("Item")
# One item is ready and one in the making: more would hold more scans in memory.
AHEAD = 2
_END: Any = object()


def prefetch(items: Generator[Item]) -> Generator[Item]:
    """Yield the items in order while a thread makes the next ones, AHEAD at most.

    An error of a stage is raised here, after the items before it. `close` waits for
    the item in the making and closes `items` as well.
    """
    # After an interrupt the thread may still make an item, and a running generator
    # cannot be closed.
    in_use = threading.Lock()

    def make(_: int) -> Item:
        with in_use:
            return next(items, _END)

    made = threads.in_order(make, itertools.count(), threads=1, ahead=AHEAD)
    try:
        while (item := next(made)) is not _END:
            yield item
            # Otherwise the scan stays in memory during the wait for the next one.
            del item
    finally:
        made.close()
        with in_use:
            items.close()
