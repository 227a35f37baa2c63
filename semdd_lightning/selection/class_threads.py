"""Classes do not depend on each other: threads share them, each with its part of the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from semdd_lightning.selection.embeddings import Embeddings

T = TypeVar("T")
R = TypeVar("R")

CLASSES_AT_ONCE = 8  # an estimate: beyond, threads wait for the lock of the interpreter
_MEMORY = 2**30  # bytes that all classes at work may take
_CANDIDATES = 4096  # whose matrix a sampler may hold


def map_pool(
    function: Callable[[int, Tensor], R], embeddings: Embeddings, at_most: int = CLASSES_AT_ONCE
) -> list[R]:
    """Results for all classes of a pool, as many at once as cores and memory allow.

    Args:
        function: What to do for one class, given its index and its pool rows.
        embeddings: The embedded pool.
        at_most: Classes at the same time, at most.
    """
    class_rows, dim = embeddings.class_rows(), embeddings.image_embeddings.shape[1]
    largest = max(map(len, class_rows))
    # a class takes its vectors in float64 and float32, and a matrix of its candidates
    memory = largest * (12 * dim + 8 * min(largest, _CANDIDATES))
    return map_classes(function, class_rows, min(at_most, max(1, _MEMORY // max(1, memory))))


def map_classes(
    function: Callable[[int, T], R], classes: Sequence[T], at_once: int = CLASSES_AT_ONCE
) -> list[R]:
    """Results for all classes, in their order, from as many threads as there are cores and classes.

    Small steps of one class leave cores idle that the next class can use. An error in one class ends all.
    PyTorch's number of threads is another one meanwhile, for the whole process.

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
    share = -(-cores // workers)  # rounded up: a core too many costs less than an idle one
    executor = ThreadPoolExecutor(workers, "semdd-class", torch.set_num_threads, (share,))
    try:
        return list(executor.map(function, range(len(classes)), classes))
    finally:
        try:
            executor.shutdown(cancel_futures=True)
        finally:  # each thread has its own number, and new ones take the last that was set
            torch.set_num_threads(cores)
