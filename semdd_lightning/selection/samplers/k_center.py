"""Greedy farthest point on the image embeddings of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.ties import first_best


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
class KCenter(Sampler):
    """Greedy farthest point on the image embeddings, starting nearest the class mean."""

    name: ClassVar[str] = "k_center"
    meaning: ClassVar[str] = "the farthest from all picked before"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Pick centres of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return k_center(pool.image_embeddings, ipc)

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Pick centres of one class, the farthest from those that people chose too.

        Args:
            pool: The images of the class.
            pinned: Positions of the images that are chosen already.
            ipc: Images to pick, those included.
            seed: Without effect.
        """
        return k_center(pool.image_embeddings, ipc, pinned.tolist())
