"""Mean matching on the image embeddings of a class."""

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


@dataclass(frozen=True)
class Herding(Sampler):
    """Mean matching without replacement: the picks' mean follows the class mean."""

    name: ClassVar[str] = "herding"
    meaning: ClassVar[str] = "the mean of the picks follows that of the class"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Herd one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return herding(pool.image_embeddings, ipc)

    def pick_beside(self, pool: ClassPool, pinned: Tensor, ipc: int, seed: int) -> Picks:
        """Herd one class behind those that people chose.

        Args:
            pool: The images of the class.
            pinned: Positions of the images that are chosen already.
            ipc: Images to pick, those included.
            seed: Without effect.
        """
        return herding(pool.image_embeddings, ipc, pinned.tolist())
