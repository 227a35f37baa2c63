"""Work in threads that keeps its order and runs only a little ahead of its reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """Map in threads, in order, at most `ahead` results in advance of the reader.

    Args:
        function: What to do with each item.
        items: The items.
        workers: Threads.
        ahead: Bound on results that wait, at least 1.

    >>> list(map_ahead(lambda x: x * x, range(4), workers=2, ahead=2))
    [0, 1, 4, 9]
    """
    executor = ThreadPoolExecutor(workers, thread_name_prefix="semdd-decode")
    waiting: deque[Future[R]] = deque()
    remaining = iter(items)
    try:
        waiting.extend(executor.submit(function, item) for item in islice(remaining, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
