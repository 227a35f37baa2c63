"""A set of images within its class: how far it spreads, how much it covers."""

from __future__ import annotations

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK, Scratch, row_chunks
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.largest_product import LargestProduct


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
    # |sum z|^2 is the sum of all <z_i, z_j>
    both_orders = vectors.sum(dim=0).square().sum() - vectors.square().sum()
    return 1 - float(both_orders) / (size * (size - 1))


def coverage(image_embeddings: Tensor, selected: Tensor) -> float:
    """Mean over a class of the cosine to the nearest selected image; a selected image covers itself with 1.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``, float64.
        selected: Positions of the selected images ``(m,)``, int64, distinct; none gives NaN.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    >>> round(coverage(z, torch.tensor([0])), 6)
    0.8
    """
    if len(selected) == 0:
        return float("nan")
    if len(selected) == len(image_embeddings):
        return 1.0
    find = LargestProduct(image_embeddings[selected])
    chunks = row_chunks(len(image_embeddings), DEFAULT_CHUNK)
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
