"""The kernel of samplers that cover, match or spread: similarity that fades over a distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.blocks import DEFAULT_CHUNK, similarity_blocks
from semdd_lightning.selection.checks import is_number
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.quality_sampler import FilteringSampler

# What 1 - cosine is off by in its last bits stays below the precision of decisions, divided by this as well.
SMALLEST_BANDWIDTH = 1e-6


def unit_rows(vectors: Tensor) -> Tensor:
    """The same directions with norm 1 to the last bit, so that no similarity exceeds that to oneself.

    Args:
        vectors: Vectors ``(n, d)``, float64, none of them zero.
    """
    unit: Tensor = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return unit


def kernel(vectors: Tensor, others: Tensor, bandwidth: float) -> Tensor:
    """k(a, b) = exp(-(1 - a.b) / tau) of all pairs, float64 ``(n, m)``; for unit vectors an RBF kernel.

    Args:
        vectors: Unit vectors ``(n, d)``, float64.
        others: Unit vectors ``(m, d)``, float64.
        bandwidth: tau > 0.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    >>> kernel(z, z, 0.4).round(decimals=4).tolist()
    [[1.0, 0.3679], [0.3679, 1.0]]
    """
    return torch.mm(vectors, others.T).sub_(1).div_(bandwidth).exp_()


def neighbour_bandwidth(image_embeddings: Tensor, ipc: int, chunk: int = DEFAULT_CHUNK) -> float:
    """tau: the median over a class of 1 - cosine to the ceil(n_c / ipc)-th neighbour; O(n_c^2 d), in blocks.

    Each of ``ipc`` picks stands for about that many images. At least 1e-6, for classes of copies; the
    farthest image where a class has no neighbour of that rank.

    Args:
        image_embeddings: Unit vectors of one class ``(n_c, d)``, float64.
        ipc: Images that will be picked, in [1, n_c].
        chunk: Rows computed at a time; changes nothing but memory.

    >>> z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
    >>> round(neighbour_bandwidth(z, 3), 6), round(neighbour_bandwidth(z, 1), 6)
    (0.2, 1.0)
    """
    size = len(image_embeddings)
    rank = min(-(-size // ipc), size - 1)
    # the nearest of all is the image itself: the rank counts from there
    cosines = [
        block.kthvalue(size - rank, dim=1).values
        for _, block in similarity_blocks(image_embeddings, image_embeddings, chunk)
    ]
    return max(1 - float(np.median(torch.cat(cosines).numpy())), SMALLEST_BANDWIDTH)


@dataclass(frozen=True, kw_only=True)
class KernelSampler(FilteringSampler):
    """A sampler that compares images by the kernel k(a, b) = exp(-(1 - a.b) / tau).

    Parameters are those of `FilteringSampler`, and:

    Args:
        bandwidth: tau, > 0; by default that of `neighbour_bandwidth`, for each class its own.

    Raises:
        SelectionError: If a value is out of range.
    """

    bandwidth: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bandwidth is not None and not is_number(self.bandwidth, SMALLEST_BANDWIDTH):
            msg = (
                f"Expected bandwidth to be finite and at least {SMALLEST_BANDWIDTH}, found "
                f"{self.bandwidth}; leave it out to take it from the distances in each class."
            )
            raise SelectionError(msg)

    def class_bandwidth(self, pool: ClassPool, ipc: int) -> float:
        """Tau of one class.

        Args:
            pool: The images of the class.
            ipc: Images that will be picked.
        """
        if self.bandwidth is not None:
            return self.bandwidth
        return neighbour_bandwidth(unit_rows(pool.image_embeddings), ipc)
