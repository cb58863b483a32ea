"""Work that threads do in advance, handed over in order."""

import collections
import itertools
from collections.abc import Callable, Generator, Iterable
from concurrent import futures
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Argument], Result],
    arguments: Iterable[Argument],
    *,
    threads: int,
    ahead: int,
) -> Generator[Result]:
    """Yield `work` of each argument in order, while threads do the next ones.

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
            # Otherwise it stays in memory during the wait for the next one.
            del result
    finally:
        pool.shutdown(cancel_futures=True)
