"""Rows a chunk at a time, in memory that is used again: never a matrix of pool x pool."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import as_float64

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
