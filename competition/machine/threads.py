"""Work that threads do: on all items at once, or in advance and in order."""

import collections
import itertools
import os
from collections.abc import Callable, Collection, Generator, Iterable
from concurrent import futures
from typing import TypeVar

from competition.core import console

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def for_all(
    work: Callable[[Argument], Result], arguments: Collection[Argument], title: str
) -> list[Result]:
    """Return the result of `work` for each argument, and show how many are done.

    There is one thread for each processor, and it works on one argument at a time.
    """
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(work, arguments)
        return list(console.track(made, title, total=len(arguments)))


def in_order(
    work: Callable[[Argument], Result],
    arguments: Iterable[Argument],
    *,
    threads: int,
    ahead: int,
) -> Generator[Result]:
    """Yield the result for each argument in order, while threads work on the next.

    Besides the result in use, up to `ahead` others are ready or in work. An error of
    `work` is raised here, after the results before it. The threads end with the last
    result or with `close`, which waits for the work that has begun.
    """
    left = iter(arguments)
    pool = futures.ThreadPoolExecutor(threads, "ahead")
    try:
        waiting = collections.deque(
            pool.submit(work, each) for each in itertools.islice(left, ahead)
        )
        while waiting:
            result = waiting.popleft().result()
            following = itertools.islice(left, 1)
            waiting.extend(pool.submit(work, each) for each in following)
            yield result
            # Otherwise this result stays in memory during the wait for the next one.
            del result
    finally:
        pool.shutdown(cancel_futures=True)
