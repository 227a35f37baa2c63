"""Similarities of a class's images to the prototypes of all classes: their own, the next best, the best."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK, row_chunks, similarity_blocks
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.largest_product import LargestProduct
from semdd_lightning.selection.scratch import Scratch
from semdd_lightning.selection.ties import rounded

# Prototypes are equal up to a cosine of 1 - 1e-6: |a - b|^2 = 2 - 2 cos for unit vectors. The prior holds
# text prototypes to the same number.
EQUAL_SQUARED_DISTANCE = 2e-6
_PAIRS_SHOWN = 5


class Similarities(NamedTuple):
    """How the images of a class lie to the prototypes.

    Attributes:
        own: Cosine to the prototype of the class ``(n,)``.
        rival: Largest cosine to the prototype of another class ``(n,)``; minus infinity for C = 1.
        predicted: Class of the nearest prototype ``(n,)``, int64.
    """

    own: Tensor
    rival: Tensor
    predicted: Tensor


class ClassSimilarities:
    """Gives the `Similarities` of the images of a class; threads may share it.

    The rival, which is the best of the other classes, is found at the cost of a coarse product.

    Args:
        prototypes: Unit vectors ``(C, d)``.
        chunk: Images computed at a time; changes nothing but memory.
        scratch: Memory for intermediate results; its own if there is none to share.
    """

    def __init__(
        self, prototypes: Tensor, chunk: int = DEFAULT_CHUNK, scratch: Scratch | None = None
    ) -> None:
        self.prototypes = as_float64(prototypes)
        self._chunk = chunk
        self._find = LargestProduct(self.prototypes, scratch)

    def __call__(self, vectors: Tensor, class_index: int) -> Similarities:
        """Similarities of images of one class.

        Args:
            vectors: Their unit vectors ``(n, d)``, float64 on the CPU.
            class_index: The class.
        """
        own, rival = torch.empty(2, len(vectors), dtype=torch.float64)
        predicted = torch.empty(len(vectors), dtype=torch.int64)
        for rows in row_chunks(len(vectors), self._chunk):
            block = vectors[rows]
            own[rows] = block @ self.prototypes[class_index]
            other, rival[rows] = self._find(block, hidden=(slice(None), class_index))
            behind = rounded(rival[rows]) - rounded(own[rows])
            loses = (behind > 0) | ((behind == 0) & (other < class_index))
            predicted[rows] = torch.where(loses, other, class_index)
        return Similarities(own, rival, predicted)


def warn_equal_prototypes(prototypes: Tensor, chunk: int = DEFAULT_CHUNK) -> None:
    """Warn, naming the class indices, where two classes have equal prototypes: a cosine of 1 - 1e-6 or more.

    Args:
        prototypes: Unit vectors ``(C, d)``.
        chunk: Rows compared at a time.
    """
    squared = as_float64(prototypes).square().sum(dim=1)
    pairs: list[tuple[int, int]] = []
    for rows, product in similarity_blocks(prototypes, prototypes, chunk):
        close = squared[rows, None] + squared[None, :] - 2 * product <= EQUAL_SQUARED_DISTANCE
        found = torch.nonzero(torch.triu(close, diagonal=rows.start + 1))
        pairs += [(rows.start + int(first), int(second)) for first, second in found]
    if pairs:
        shown = ", ".join(f"{first} and {second}" for first, second in pairs[:_PAIRS_SHOWN])
        more = f" and {len(pairs) - _PAIRS_SHOWN} more pairs" if len(pairs) > _PAIRS_SHOWN else ""
        warnings.warn(
            f"Expected every class to have its own prototype, found equal ones for classes {shown}{more}: "
            "scores cannot tell them apart; give these classes names and images of their own.",
            UserWarning,
            stacklevel=3,
        )
