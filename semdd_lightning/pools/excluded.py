"""The images of a pool that cannot be chosen, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.pools.strings import Strings


@dataclass(frozen=True)
class ExcludedImage:
    """An image of the pool that cannot be chosen.

    Args:
        path: Its path in the pool.
        class_index: Class that the layout puts it into.
        reason: ``unreadable: <why>`` or ``duplicate of <path>``.
    """

    path: str
    class_index: int
    reason: str


class ExcludedImages(Sequence[ExcludedImage]):
    """A read-only sequence of excluded images, held as columns: a broken pool may have a million of them.

    Args:
        paths: Path of each image.
        labels: Class index of each image, shape ``(N,)``.
        reasons: Why each is excluded.

    >>> excluded = ExcludedImages(Strings(["cat/a.png"]), np.array([0]), Strings(["unreadable: empty file"]))
    >>> excluded[0].reason, len(excluded[1:])
    ('unreadable: empty file', 0)
    """

    __slots__ = ("labels", "paths", "reasons")

    def __init__(self, paths: Strings, labels: NDArray[np.int64], reasons: Strings) -> None:
        self.paths = paths
        self.labels = labels
        self.reasons = reasons

    @overload
    def __getitem__(self, index: int) -> ExcludedImage: ...

    @overload
    def __getitem__(self, index: slice) -> ExcludedImages: ...

    def __getitem__(self, index: int | slice) -> ExcludedImage | ExcludedImages:
        if isinstance(index, slice):
            return ExcludedImages(self.paths[index], self.labels[index], self.reasons[index])
        return ExcludedImage(self.paths[index], int(self.labels[index]), self.reasons[index])

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[ExcludedImage]:
        return map(ExcludedImage, self.paths, map(int, self.labels), self.reasons)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ExcludedImages):
            same = self.paths == other.paths and self.reasons == other.reasons
            return same and np.array_equal(self.labels, other.labels)
        return isinstance(other, tuple | list) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        more = f", ... {len(self)} in all" if len(self) > 3 else ""
        return f"ExcludedImages({', '.join(map(repr, self[:3]))}{more})"
