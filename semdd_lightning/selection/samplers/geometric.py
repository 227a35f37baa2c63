"""Samplers that look at the image embeddings of a class alone: mean matching, and farthest points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.ties import first_best


def herding(image_embeddings: Tensor, ipc: int, start: Sequence[int] = ()) -> Picks:
    """Mean matching without replacement: each pick brings the mean of the picks closest to the class mean.

    Welling, "Herding dynamical weights to learn", 2009; as exemplar selection: Rebuffi et al., arXiv
    1611.07725. The value is the squared distance between the two means after the pick.

    Args:
        image_embeddings: Unit vectors of one class ``(n_c, d)``, float64.
        ipc: Images to pick, <= n_c.
        start: Positions that are picked first, fewer than ``ipc``; their values are NaN.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]], dtype=torch.float64)
    >>> herding(z, 2).order.tolist()
    [2, 0]
    """
    mean = image_embeddings.mean(dim=0)
    squared_norms = image_embeddings.square().sum(dim=1)
    order, values = list(start), [torch.nan] * len(start)
    total = image_embeddings[order].sum(dim=0)
    taken = torch.zeros(len(image_embeddings), dtype=torch.bool)
    taken[order] = True
    for size in range(len(order) + 1, ipc + 1):
        # || mean - (total + z) / size ||^2, expanded so that a step is one product with the class
        residual = mean - total / size
        distance = (
            residual.square().sum() - 2 / size * (image_embeddings @ residual) + squared_norms / size**2
        )
        picked = first_best(-distance.masked_fill(taken, torch.inf))
        taken[picked] = True
        total = total + image_embeddings[picked]
        order.append(picked)
        values.append(float(distance[picked]))
    return Picks(torch.tensor(order), torch.tensor(values, dtype=torch.float64), pinned=len(start))


def k_center(image_embeddings: Tensor, ipc: int, start: Sequence[int] = ()) -> Picks:
    """Greedy farthest point: each pick is the image farthest (1 - cosine) from all picked before.

    Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; as a core set: Sener and
    Savarese, arXiv 1708.00489. The first pick is the image nearest the class mean, its value the product with
    that mean; later values are the distances to the nearest pick.

    Args:
        image_embeddings: Unit vectors of one class ``(n_c, d)``, float64.
        ipc: Images to pick, <= n_c.
        start: Positions that are picked first, fewer than ``ipc``; their values are NaN.

    >>> z = torch.tensor([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0]], dtype=torch.float64)
    >>> k_center(z, 2).order.tolist()
    [1, 2]
    """
    centrality = image_embeddings @ image_embeddings.mean(dim=0)
    order = list(start) or [first_best(centrality)]
    values = [torch.nan] * len(start) or [float(centrality[order[0]])]
    distance = torch.full_like(centrality, torch.inf)
    for size in range(1, ipc):
        distance = torch.minimum(distance, 1 - image_embeddings @ image_embeddings[order[size - 1]])
        distance[order[size - 1]] = -torch.inf
        if size >= len(order):
            order.append(first_best(distance))
            values.append(float(distance[order[size]]))
    return Picks(torch.tensor(order), torch.tensor(values, dtype=torch.float64), pinned=len(start))


@dataclass(frozen=True)
class Herding(Sampler):
    """Mean matching without replacement: the picks' mean follows the class mean."""

    name: ClassVar[str] = "herding"
    meaning: ClassVar[str] = "the mean of the picks follows that of the class"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Herd one class."""
        return herding(pool.image_embeddings, ipc)

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Herd one class behind those that people chose."""
        return herding(pool.image_embeddings, ipc, pinned.tolist())


@dataclass(frozen=True)
class KCenter(Sampler):
    """Greedy farthest point on the image embeddings, starting nearest the class mean."""

    name: ClassVar[str] = "k_center"
    meaning: ClassVar[str] = "the farthest from all picked before"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Pick centres of one class."""
        return k_center(pool.image_embeddings, ipc)

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Pick centres of one class, the farthest from those that people chose too."""
        return k_center(pool.image_embeddings, ipc, pinned.tolist())
