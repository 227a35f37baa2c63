"""Scores against other images: those of the class in the pool, and real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.checks import whole_number
from semdd_lightning.selection.pieces import similarity_blocks
from semdd_lightning.selection.scores.score import ClassImages, Need, Score, needed


@dataclass(frozen=True)
class Typicality(Score):
    """The mean cosine of an image to its nearest neighbours in the class.

    After "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets" (TypiClust, arXiv
    2202.02794), whose typicality is the inverse of the mean distance; the formula here is this project's.

    Args:
        neighbours: Number of neighbours k, >= 1; fewer where the class has fewer.

    Raises:
        SelectionError: If the number is not positive.
    """

    name: ClassVar[str] = "typicality"
    meaning: ClassVar[str] = "the class has many images like it"
    value_range: ClassVar[str] = "[-1, 1]"
    is_similarity: ClassVar[bool] = True

    neighbours: int = 5

    def __post_init__(self) -> None:
        whole_number("neighbours", self.neighbours, at_least=1)

    def __call__(self, images: ClassImages) -> Tensor:
        """Mean cosines to the nearest neighbours ``(n_c,)``."""
        return typicality(images.image_embeddings, self.neighbours)


def typicality(image_embeddings: Tensor, neighbours: int = 5) -> Tensor:
    """Mean cosine of each image to its k nearest neighbours among the others, float64 ``(n,)``.

    An image that is alone has no neighbour and typicality 1.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``.
        neighbours: k, >= 1; at most n - 1 are there.

    >>> typicality(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), 1).round(decimals=6).tolist()
    [0.6, 0.8, 0.8]
    """
    size = len(image_embeddings)
    typical = torch.ones(size, dtype=torch.float64)
    if size > 1:
        for rows, cosines in similarity_blocks(image_embeddings, image_embeddings):
            cosines[torch.arange(len(cosines)), torch.arange(rows.start, rows.stop)] = -torch.inf
            typical[rows] = cosines.topk(min(neighbours, size - 1), dim=1).values.mean(dim=1)
    return typical


@dataclass(frozen=True)
class ReferenceSimilarity(Score):
    """The mean cosine of an image to the real images of its class."""

    name: ClassVar[str] = "reference_similarity"
    meaning: ClassVar[str] = "real images of the class look like it"
    value_range: ClassVar[str] = "[-1, 1]"
    needs: ClassVar[frozenset[Need]] = frozenset({"reference"})
    is_similarity: ClassVar[bool] = True

    def __call__(self, images: ClassImages) -> Tensor:
        """Mean cosines to the reference images ``(n_c,)``."""
        return images.image_embeddings @ needed(images.reference, "reference", self.name).mean(dim=0)
