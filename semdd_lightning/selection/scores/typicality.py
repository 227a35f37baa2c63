"""Typicality: how densely an image's neighbourhood in its class is filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.blocks import similarity_blocks
from semdd_lightning.selection.scores.score import ClassImages, Score


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
        if self.neighbours < 1:
            msg = f"Expected neighbours to be at least 1, found {self.neighbours}; 5 is usual."
            raise SelectionError(msg)

    def __call__(self, images: ClassImages) -> Tensor:
        """Mean cosines to the nearest neighbours ``(n_c,)``.

        Args:
            images: The images of one class.
        """
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
