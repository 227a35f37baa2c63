"""Classes do not depend on each other: threads share them, each with its part of the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

CLASSES_AT_ONCE = 8  # beyond, threads wait for the lock of the interpreter


def map_classes(
    function: Callable[[int, T], R], classes: Sequence[T], at_once: int = CLASSES_AT_ONCE
) -> list[R]:
    """Results for all classes, in their order, from as many threads as there are cores and classes.

    Small steps of one class leave cores idle that the next class can use. An error in one class ends all.

    Args:
        function: What to do for one class, given its index and its item; called from several threads.
        classes: An item for each class.
        at_once: Classes at the same time, at most.

    >>> map_classes(lambda class_index, rows: (class_index, len(rows)), [[0, 1], [2]])
    [(0, 2), (1, 1)]
    """
    cores = torch.get_num_threads()
    workers = min(cores, len(classes), at_once)
    if workers <= 1:
        return list(map(function, range(len(classes)), classes))
    share = cores // workers
    executor = ThreadPoolExecutor(workers, "semdd-class", torch.set_num_threads, (share,))
    try:
        return list(executor.map(function, range(len(classes)), classes))
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(
            cores
        )  # each thread has its own number, and new ones take the last that was set
