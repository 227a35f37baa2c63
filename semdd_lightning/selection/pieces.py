"""A pool in pieces: rows a chunk at a time, classes in threads, in memory that is used again.

Never a matrix of pool x pool.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import Embeddings, as_float64

T = TypeVar("T")
R = TypeVar("R")

CLASSES_AT_ONCE = 8  # an estimate: beyond, threads wait for the lock of the interpreter
_MEMORY = 2**30  # bytes that all classes at work may take
_CANDIDATES = 4096  # whose matrix a sampler may hold

DEFAULT_CHUNK = 2048  # rows; 16 MiB of float64 similarities for 1,000 classes
# NumPy asks for huge pages, PyTorch does not: streaming through megabytes of small ones misses the TLB
_NUMPY = {
    torch.bool: np.bool_,
    torch.bfloat16: np.int16,  # of its size: NumPy has no such type
    torch.float32: np.float32,
    torch.float64: np.float64,
}


def row_chunks(num_rows: int, chunk: int) -> Iterator[slice]:
    """All rows, a chunk at a time.

    Args:
        num_rows: Number of rows.
        chunk: Rows in a chunk, >= 1; the last may have fewer.

    Raises:
        SelectionError: If the chunk is not positive.

    >>> list(row_chunks(3, 2))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if chunk < 1:
        msg = f"Expected chunk to be at least 1 row, found {chunk}; pass a positive number."
        raise SelectionError(msg)
    for start in range(0, num_rows, chunk):
        yield slice(start, min(start + chunk, num_rows))


def similarity_blocks(
    vectors: Tensor, others: Tensor, chunk: int = DEFAULT_CHUNK
) -> Iterator[tuple[slice, Tensor]]:
    """Inner products with all of the others, a chunk of rows at a time: (rows, float64 ``(chunk, m)``).

    Args:
        vectors: Vectors ``(n, d)``; cast to float64 chunk by chunk.
        others: Vectors ``(m, d)``.
        chunk: Rows in a block, >= 1.

    Raises:
        SelectionError: If the chunk is not positive.
    """
    columns = as_float64(others).T
    for rows in row_chunks(len(vectors), chunk):
        yield rows, as_float64(vectors[rows]) @ columns


class Scratch(threading.local):
    """Hands out uninitialised tensors by name; a thread's next request of the name takes the memory back.

    Fresh megabytes for every block cost more than what is computed in them.

    >>> scratch = Scratch()
    >>> first = scratch("products", (2, 3), torch.float64)
    >>> scratch("products", (3, 1), torch.float64).data_ptr() == first.data_ptr()
    True
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor on the CPU.

        Args:
            name: What it is for.
            shape: Its shape.
            dtype: Its type.
        """
        size = math.prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or len(kept) < size:
            kept = self._kept[name, dtype] = torch.from_numpy(np.empty(size, _NUMPY[dtype])).view(dtype)
        return kept[:size].view(shape)


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
