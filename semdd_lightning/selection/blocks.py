"""Rows a chunk at a time, and their inner products with some others: never a matrix of pool x pool."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import as_float64

DEFAULT_CHUNK = 2048  # rows; 16 MiB of float64 similarities for 1,000 classes


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
