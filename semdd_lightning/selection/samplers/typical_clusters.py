"""One typical image from each part of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.quality_sampler import FilteringSampler
from semdd_lightning.selection.samplers.covering import facility_location
from semdd_lightning.selection.scores.of_images import Typicality
from semdd_lightning.selection.ties import ranking, rounded


def k_means(vectors: Tensor, centres: Tensor, most_steps: int = 100) -> Tensor:
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


def best_of_clusters(values: Tensor, clusters: Tensor, sizes: Tensor, ipc: int) -> Tensor:
    """The best candidate of each cluster, largest clusters first, then the best of the rest.

    Clusters without candidates give none: the rest makes up for them.

    Args:
        values: Value of each candidate ``(K,)``, float64.
        clusters: Cluster of each candidate ``(K,)``, int64, in [0, k).
        sizes: Images of each cluster, candidates or not ``(k,)``, int64.
        ipc: Images to pick, in [1, K].

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``.

    >>> values = torch.tensor([0.9, 0.8, 0.7, 0.1], dtype=torch.float64)
    >>> best_of_clusters(values, torch.tensor([0, 0, 0, 2]), torch.tensor([3, 2, 9]), 3).tolist()
    [3, 0, 1]
    """
    by_value = ranking(values).tolist()
    firsts: dict[int, int] = {}
    for candidate in by_value:
        firsts.setdefault(int(clusters[candidate]), candidate)
    leaders = [firsts[cluster] for cluster in ranking(sizes.double()).tolist() if cluster in firsts]
    # a dict keeps what came first in its place
    return torch.tensor(list(dict.fromkeys([*leaders, *by_value]))[:ipc])


@dataclass(frozen=True, kw_only=True)
class TypicalClusters(FilteringSampler):
    """From each of ipc clusters of the class the candidate of highest typicality times quality.

    TypiClust of "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets" (arXiv
    2202.02794), with quality. Clusters are those of k-means on all images of the class, started at the picks
    of `facility_location`, which lie where images are many; the largest comes first, as in the paper. A
    cluster that holds no candidate is one of images that do not show the class: the best candidates left take
    its place. With zscores quality below the class mean is negative. Parameters are those of
    `FilteringSampler`.
    """

    name: ClassVar[str] = "typical_clusters"
    meaning: ClassVar[str] = "from each cluster of the class the candidate that is typical and good"
    uses: ClassVar[tuple[str, ...]] = (Typicality.name,)

    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Cluster one class, and pick the best candidate of each cluster."""
        vectors = pool.image_embeddings
        clusters = k_means(vectors, vectors[facility_location(vectors, ipc).order])
        values = (pool.scores[Typicality.name] * pool.quality)[candidates]
        sizes = torch.bincount(clusters, minlength=ipc)
        picked = best_of_clusters(values, clusters[candidates], sizes, ipc)
        return picked, values[picked]
