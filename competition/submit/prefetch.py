"""Stages that overlap: each works ahead in a thread while the next uses its items."""

import collections
from collections.abc import Generator
from concurrent import futures
from typing import Any, TypeVar

Item = TypeVar("Item")
# One item is ready and one in the making: more would hold more scans in memory.
AHEAD = 2
_END: Any = object()


def prefetch(items: Generator[Item]) -> Generator[Item]:
    """Yield the items in order while a thread makes the next ones, AHEAD at most.

    An error of a stage is raised here, after the items before it. `close` waits for
    the item in the making and closes `items` as well.
    """
    worker = futures.ThreadPoolExecutor(max_workers=1)
    try:
        upcoming = collections.deque(
            worker.submit(next, items, _END) for _ in range(AHEAD)
        )
        while (item := upcoming.popleft().result()) is not _END:
            upcoming.append(worker.submit(next, items, _END))
            yield item
            # The scan would stay in memory while the next one is waited for.
            del item
    finally:
        worker.shutdown(cancel_futures=True)
        items.close()
