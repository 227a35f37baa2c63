"""Text of a million rows in one column instead of a million objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_PIECE = 8_192  # texts that are objects at a time


class Strings(Sequence[str]):
    """A read-only sequence of texts, held as one Arrow column.

    Args:
        texts: The texts, or an Arrow column of them.

    >>> paths = Strings(["b", "a"])
    >>> paths[0], list(paths.take(paths.order())), paths == ("b", "a")
    ('b', ['a', 'b'], True)
    """

    __slots__ = ("column",)

    def __init__(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray = ()) -> None:
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.combine_chunks()
        if not isinstance(texts, pa.Array):
            texts = pa.array(list(texts), pa.large_string())
        self.column = texts.cast(pa.large_string())

    @classmethod
    def joined(cls, *texts: Strings | str) -> Strings:
        """Columns, and single texts that are the same in every row, put together row by row.

        >>> Strings.joined("a-", Strings(["1", "2"]), ".png")
        Strings('a-1.png', 'a-2.png')
        """
        texts = (*texts, "")  # what stands between them
        parts = [pa.scalar(t, pa.large_string()) if isinstance(t, str) else t.column for t in texts]
        return cls(pc.binary_join_element_wise(*parts))

    @classmethod
    def concatenated(cls, columns: Sequence[Strings]) -> Strings:
        """The texts of at least one column, one column after the other."""
        return cls(pa.chunked_array([texts.column for texts in columns]))

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Strings: ...

    def __getitem__(self, index: int | slice) -> str | Strings:
        if isinstance(index, slice):
            return Strings(self.column[index])
        return str(self.column[int(index)].as_py())

    def __len__(self) -> int:
        return len(self.column)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), 4096):
            yield from self.column.slice(start, 4096).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Strings):
            return bool(self.column.equals(other.column))
        return isinstance(other, tuple | list) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        more = f", ... {len(self)} in all" if len(self) > 3 else ""
        return f"Strings({', '.join(map(repr, self[:3]))}{more})"

    def take(self, rows: NDArray[np.integer]) -> Strings:
        """The texts at `rows`, in this order."""
        return Strings(self.column.take(pa.array(rows)))

    def order(self) -> NDArray[np.int64]:
        """The rows in the order of their texts, by code point as Python sorts."""
        order: NDArray[np.uint64] = pc.sort_indices(self.column).to_numpy()
        return order.astype(np.int64)

    def repeated(self) -> Strings:
        """The texts that stand more than once, each of them once.

        >>> Strings(["a", "b", "a"]).repeated()
        Strings('a')
        """
        counts = self.column.value_counts()
        return Strings(counts.filter(pc.greater(counts.field("counts"), 1)).field("values"))

    def positions(self, texts: Strings) -> NDArray[np.int64]:
        """For each of `texts` its row here, -1 where it is missing."""
        found = pc.index_in(texts.column, value_set=self.column)
        rows: NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        return rows.astype(np.int64)


class GrowingStrings:
    """Collects texts in pieces of a column, so that a million of them are never a million objects."""

    def __init__(self) -> None:
        self._pieces: list[pa.Array] = []
        self._recent: list[str] = []

    def append(self, text: str) -> None:
        """Add one at the end."""
        self._recent.append(text)
        if len(self._recent) == _PIECE:
            self._pieces.append(pa.array(self._recent, pa.large_string()))
            self._recent = []

    def finish(self) -> Strings:
        """All of them."""
        return Strings(pa.chunked_array([*self._pieces, pa.array(self._recent, pa.large_string())]))
