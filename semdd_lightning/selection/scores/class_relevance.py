"""Class relevance: how well an image shows its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK, row_chunks
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.largest_product import pair_products
from semdd_lightning.selection.scores.score import ClassImages, Score


@dataclass(frozen=True)
class ClassRelevance(Score):
    """The cosine of an image to the prototype of its class.

    The criterion is that of "SAS: Semantic-aware Sampling for Generative Dataset Distillation" (arXiv
    2605.18012); the formula is this project's.
    """

    name: ClassVar[str] = "class_relevance"
    meaning: ClassVar[str] = "the image shows its class"
    value_range: ClassVar[str] = "[-1, 1]"

    def __call__(self, images: ClassImages) -> Tensor:
        """Cosines to the own prototype ``(n_c,)``.

        Args:
            images: The images of one class.
        """
        return images.own


def class_relevance(
    image_embeddings: Tensor, labels: Tensor, prototypes: Tensor, chunk: int = DEFAULT_CHUNK
) -> Tensor:
    """Class relevance r_i = <z_i, p_{y_i}> of a whole pool, float64 ``(N,)``.

    Args:
        image_embeddings: Unit vectors z ``(N, d)``.
        labels: Class index y of each image ``(N,)``.
        prototypes: Unit vectors p ``(C, d)``.
        chunk: Rows computed at a time; changes nothing but memory.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> class_relevance(z, torch.tensor([0, 1]), torch.eye(2)).round(decimals=6).tolist()
    [1.0, 0.8]
    """
    prototypes, labels = as_float64(prototypes), labels.cpu()
    relevance = torch.empty(len(labels), dtype=torch.float64)
    for rows in row_chunks(len(labels), chunk):
        vectors = as_float64(image_embeddings[rows])
        relevance[rows] = pair_products(vectors, prototypes, torch.arange(len(vectors)), labels[rows])
    return relevance
