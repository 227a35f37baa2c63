"""Set diversity: how much an image would add to a set. It depends on the set, so it is no `Score`."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.blocks import DEFAULT_CHUNK, similarity_blocks
from semdd_lightning.selection.checks import check_choice
from semdd_lightning.selection.embeddings import as_float64

DiversityMode = Literal["nearest", "mean"]


def set_diversity(
    image_embeddings: Tensor, selected: Tensor, mode: DiversityMode = "nearest", chunk: int = DEFAULT_CHUNK
) -> Tensor:
    """Marginal diversity of each image against a set S, float64 ``(n,)``.

    Args:
        image_embeddings: Unit vectors z ``(n, d)``.
        selected: Unit vectors of S ``(m, d)``, m >= 1.
        mode: ``nearest``: 1 - max over j in S of <z_i, z_j>; ``mean``: 1 - mean over j in S.
        chunk: Rows computed at a time; changes nothing but memory.

    Raises:
        SelectionError: If S is empty, or the mode is unknown.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    >>> set_diversity(z, torch.eye(2), mode="mean").round(decimals=6).tolist()
    [0.5, 0.3]
    """
    check_choice("diversity mode", mode, get_args(DiversityMode))
    if len(selected) == 0:
        msg = "Expected at least 1 selected image to measure diversity against, found 0; pick a first image."
        raise SelectionError(msg)
    blocks = [similarity for _, similarity in similarity_blocks(image_embeddings, selected, chunk)]
    reduced = [block.amax(dim=1) if mode == "nearest" else block.mean(dim=1) for block in blocks]
    return 1 - torch.cat(reduced)


def mean_pairwise_distance(image_embeddings: Tensor) -> float:
    """Mean of 1 - cosine over all distinct pairs, in O(m * d); NaN for fewer than two images.

    Args:
        image_embeddings: Unit vectors ``(m, d)``.

    >>> round(mean_pairwise_distance(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])), 6)
    0.533333
    """
    size = len(image_embeddings)
    if size < 2:
        return float("nan")
    vectors = as_float64(image_embeddings)
    both_orders = (
        vectors.sum(dim=0).square().sum() - vectors.square().sum()
    )  # |sum z|^2 = sum of all <z_i, z_j>
    return 1 - float(both_orders) / (size * (size - 1))
