"""Samplers that match or spread by a kernel: similarity that fades over a distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import is_number
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, row_chunks, similarity_blocks
from semdd_lightning.selection.quality_sampler import FilteringSampler
from semdd_lightning.selection.scores.score import Need, needed
from semdd_lightning.selection.ties import first_best

# Of an image whose copy is picked nothing is left but rounding errors, whose logarithm would decide.
_LEAST_LEFT = 1e-6
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


def reference_herding(
    image_embeddings: Tensor, reference: Tensor, ipc: int, bandwidth: float
) -> tuple[Tensor, Tensor]:
    """Greedy argmax over j of the mean over r of k(z_j, r) - (sum over picks s of k(z_j, z_s)) / (size + 1).

    Kernel herding (Chen, Welling and Smola, "Super-samples from kernel herding", arXiv 1203.3472) without
    replacement, towards real images. Each pick leaves the least squared MMD between the picks and the real
    images: times 2 / (size + 1), the value is all of the decrease that depends on j. O(K (m + ipc) d).

    Args:
        image_embeddings: Unit vectors z of the candidates of one class ``(K, d)``, float64.
        reference: Unit vectors r of real images of the class ``(m, d)``, float64, m >= 1.
        ipc: Images to pick, in [1, K].
        bandwidth: tau of the kernel, > 0.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and the values they were picked with
        ``(ipc,)``.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]], dtype=torch.float64)
    >>> reference_herding(z, torch.eye(2, dtype=torch.float64), 2, 1.0)[0].tolist()
    [1, 2]
    """
    vectors, real = unit_rows(image_embeddings), unit_rows(reference)
    attraction = torch.cat(
        [
            kernel(vectors[rows], real, bandwidth).mean(dim=1)
            for rows in row_chunks(len(vectors), DEFAULT_CHUNK)
        ]
    )
    repulsion = torch.zeros_like(attraction)
    left = torch.ones(len(vectors), dtype=torch.bool)
    order, values = [], []
    for size in range(ipc):
        value = attraction - repulsion / (size + 1)
        picked = first_best(value.masked_fill(~left, -torch.inf))
        left[picked] = False
        repulsion += kernel(vectors, vectors[picked : picked + 1], bandwidth)[:, 0]
        order.append(picked)
        values.append(float(value[picked]))
    return torch.tensor(order), torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class ReferenceHerding(KernelSampler):
    """The candidates that match real images of the class best: greedy squared MMD.

    Parameters are those of `KernelSampler`.
    """

    name: ClassVar[str] = "reference_herding"
    meaning: ClassVar[str] = "candidates distributed as real images are"
    needs: ClassVar[frozenset[Need]] = frozenset({"reference"})

    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Match the real images of one class."""
        real = needed(pool.reference, "reference", self.name)
        vectors = pool.image_embeddings[candidates]
        return reference_herding(vectors, real, ipc, self.class_bandwidth(pool, ipc))


def dpp(
    image_embeddings: Tensor, quality: Tensor, ipc: int, bandwidth: float, quality_weight: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Greedy MAP of a determinantal point process with L = diag(exp(b q / 2)) K diag(exp(b q / 2)).

    Each pick adds most to log det L of the picks, which is b q_j + log of what the picks leave of K_jj = 1.
    The incremental Cholesky factor is that of Chen, Zhang and Zhou, "Fast Greedy MAP Inference for
    Determinantal Point Process to Improve Recommendation Diversity" (arXiv 1709.05135); their trade-off
    theta is b / (1 + b). O(ipc K (d + ipc)); K is never formed. What is left counts as 1e-6 at least, so that
    copies are picked by quality when nothing else is there.

    Args:
        image_embeddings: Unit vectors of the candidates of one class ``(K, d)``, float64.
        quality: q of the candidates ``(K,)``, float64.
        ipc: Images to pick, in [1, K].
        bandwidth: tau of the kernel K, > 0.
        quality_weight: b >= 0.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and what each added to log det L
        ``(ipc,)``.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]], dtype=torch.float64)
    >>> q = torch.tensor([1.0, 0.8, 0.4], dtype=torch.float64)
    >>> dpp(z, q, 2, 0.4)[0].tolist(), dpp(z, q, 2, 0.4, quality_weight=8.0)[0].tolist()
    ([0, 2], [0, 1])
    """
    vectors = unit_rows(image_embeddings)
    factor = torch.zeros(ipc, len(vectors), dtype=torch.float64)  # rows of the transposed Cholesky factor
    left = torch.ones(len(vectors), dtype=torch.float64)
    taken = torch.zeros(len(vectors), dtype=torch.bool)
    order, values = [], []
    for size in range(ipc):
        value = quality_weight * quality + left.clamp(min=_LEAST_LEFT).log()
        picked = first_best(value.masked_fill(taken, -torch.inf))
        taken[picked] = True
        order.append(picked)
        values.append(float(value[picked]))
        if left[picked] > _LEAST_LEFT:
            similarity = kernel(vectors, vectors[picked : picked + 1], bandwidth)[:, 0]
            explained = factor[:size, picked] @ factor[:size]
            factor[size] = (similarity - explained) / left[picked].sqrt()
            left -= factor[size].square()
    return torch.tensor(order), torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Dpp(KernelSampler):
    """The candidates that are the most likely set of a determinantal point process, found greedily.

    Parameters are those of `KernelSampler`, and:

    Args:
        quality_weight: Weight b of quality against dissimilarity, finite and >= 0.

    Raises:
        SelectionError: If a value is out of range.
    """

    name: ClassVar[str] = "dpp"
    meaning: ClassVar[str] = "candidates that are good and unlike each other: a determinantal point process"

    quality_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.quality_weight, 0):
            msg = (
                f"Expected quality_weight to be finite and at least 0, found {self.quality_weight}; "
                "0 looks at dissimilarity alone."
            )
            raise SelectionError(msg)

    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Pick the likeliest set of one class."""
        vectors, quality = pool.image_embeddings[candidates], pool.quality[candidates]
        return dpp(vectors, quality, ipc, self.class_bandwidth(pool, ipc), self.quality_weight)
