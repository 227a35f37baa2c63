"""Nearest selected image of every image of a class, in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from semdd_lightning.selection.scores import DEFAULT_CHUNK, similarity_blocks
from semdd_lightning.selection.ties import rounded


def nearest_selected(
    image_embeddings: Tensor, selected: Tensor, block: int = DEFAULT_CHUNK
) -> tuple[Tensor, Tensor]:
    """For each image the nearest selected image other than itself: positions ``(n,)`` and cosines ``(n,)``.

    Where there is no other selected image the position is -1 and the cosine NaN.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``.
        selected: Positions of the selected images ``(m,)``, int64, distinct, m >= 1.
        block: Rows compared at a time.

    >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> positions, cosines = nearest_selected(z, torch.tensor([1, 0]))
    >>> positions.tolist(), cosines.round(decimals=6).tolist()
    ([1, 0, 1], [0.0, 0.0, 0.8])
    """
    columns = selected.sort().values  # equals go to the lowest position, whatever the order of the picks
    positions, cosines = [], []
    for rows, similarity in similarity_blocks(image_embeddings, image_embeddings[columns], block):
        here = torch.nonzero((columns >= rows.start) & (columns < rows.stop))[:, 0]
        similarity[columns[here] - rows.start, here] = -torch.inf
        best = rounded(similarity).argmax(dim=1)
        cosine = similarity.gather(1, best[:, None])[:, 0]
        alone = torch.isinf(cosine)
        positions.append(columns[best].masked_fill(alone, -1))
        cosines.append(cosine.masked_fill(alone, torch.nan))
    return torch.cat(positions), torch.cat(cosines)


def coverage(image_embeddings: Tensor, selected: Tensor, block: int = DEFAULT_CHUNK) -> float:
    """Mean over a class of the cosine to the nearest selected image; a selected image covers itself with 1.

    Args:
        image_embeddings: Unit vectors of one class ``(n, d)``.
        selected: Positions of the selected images ``(m,)``, int64, distinct; none gives NaN.
        block: Rows compared at a time.

    >>> round(coverage(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([0])), 6)
    0.8
    """
    if len(selected) == 0:
        return float("nan")
    if len(selected) == len(image_embeddings):
        return 1.0
    blocks = similarity_blocks(image_embeddings, image_embeddings[selected], block)
    nearest = torch.cat([similarity.amax(dim=1) for _, similarity in blocks])
    nearest[selected] = 1.0
    return float(nearest.mean())
