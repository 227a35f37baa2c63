"""A set of images within its class: what another would add, how far it spreads, how much it covers."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.blocks import DEFAULT_CHUNK, Scratch, row_chunks, similarity_blocks
from semdd_lightning.selection.checks import check_choice
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.largest_product import LargestProduct

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


def coverage(
    image_embeddings: Tensor, selected: Tensor, block: int = DEFAULT_CHUNK, scratch: Scratch | None = None
) -> float:
    """Mean over a class of the cosine to the nearest selected image; a selected image covers itself with 1.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``, float64.
        selected: Positions of the selected images ``(m,)``, int64, distinct; none gives NaN.
        block: Rows compared at a time.
        scratch: Memory for intermediate results; its own if there is none to share.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    >>> round(coverage(z, torch.tensor([0])), 6)
    0.8
    """
    if len(selected) == 0:
        return float("nan")
    if len(selected) == len(image_embeddings):
        return 1.0
    find = LargestProduct(image_embeddings[selected], scratch)
    chunks = row_chunks(len(image_embeddings), block)
    nearest = torch.cat([find(image_embeddings[rows])[1] for rows in chunks])
    nearest[selected] = 1.0
    return float(nearest.mean())


def nearest_selected(
    image_embeddings: Tensor, selected: Tensor, block: int = DEFAULT_CHUNK, scratch: Scratch | None = None
) -> tuple[Tensor, Tensor]:
    """For each image the nearest selected image other than itself: positions ``(n,)`` and cosines ``(n,)``.

    Where there is no other selected image the position is -1 and the cosine NaN.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``, float64.
        selected: Positions of the selected images ``(m,)``, int64, distinct, m >= 1.
        block: Rows compared at a time.
        scratch: Memory for intermediate results; its own if there is none to share.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    >>> positions, cosines = nearest_selected(z, torch.tensor([1, 0]))
    >>> positions.tolist(), cosines.round(decimals=6).tolist()
    ([1, 0, 1], [0.0, 0.0, 0.8])
    """
    columns = selected.sort().values  # equals go to the lowest position, whatever the order of the picks
    find = LargestProduct(image_embeddings[columns], scratch)
    nearest = torch.empty(len(image_embeddings), dtype=torch.int64)
    cosines = torch.empty(len(image_embeddings), dtype=torch.float64)
    for rows in row_chunks(len(image_embeddings), block):
        here = torch.nonzero((columns >= rows.start) & (columns < rows.stop))[:, 0]
        itself = (columns[here] - rows.start, here)
        nearest[rows], cosines[rows] = find(image_embeddings[rows], hidden=itself)
    alone = torch.isinf(cosines)
    return columns[nearest].masked_fill(alone, -1), cosines.masked_fill(alone, torch.nan)
