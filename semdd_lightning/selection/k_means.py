"""k-means by Lloyd's algorithm, with the same answer on any machine and any number of threads."""

from __future__ import annotations

import torch
from torch import Tensor

from semdd_lightning.selection.ties import rounded

_MOST_STEPS = 100


def k_means(vectors: Tensor, centres: Tensor, most_steps: int = _MOST_STEPS) -> Tensor:
    """The cluster of each vector ``(n,)``, int64: that of the nearest mean, until none changes.

    Distances are compared after rounding to 1e-9, equals go to the first centre; a cluster that runs empty
    keeps its centre. O(n k d) a step.

    Args:
        vectors: Vectors ``(n, d)``, float64.
        centres: First centres ``(k, d)``, float64.
        most_steps: Steps after which the clusters stay as they are, >= 1.

    >>> x = torch.tensor([[0.0], [0.2], [1.0], [1.2]], dtype=torch.float64)
    >>> k_means(x, x[:2]).tolist()
    [0, 0, 1, 1]
    """
    clusters = torch.full((len(vectors),), -1)
    for _ in range(most_steps):
        # the nearest centre c has the largest z.c - |c|^2 / 2
        closeness = vectors @ centres.T - centres.square().sum(dim=1) / 2
        nearest = torch.from_numpy(rounded(closeness).numpy().argmax(axis=1))  # the first of equals
        if torch.equal(nearest, clusters):
            break
        clusters = nearest
        sizes = torch.bincount(clusters, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, clusters, vectors)
        filled = sizes > 0
        centres = centres.clone()
        centres[filled] = sums[filled] / sizes[filled, None]
    return clusters
