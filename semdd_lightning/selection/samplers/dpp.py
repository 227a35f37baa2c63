"""The most likely set of a determinantal point process: good images that are unlike each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import is_number
from semdd_lightning.selection.kernel import KernelSampler, kernel, unit_rows
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.ties import first_best

# Of an image whose copy is picked nothing is left but rounding errors, whose logarithm would decide.
_LEAST_LEFT = 1e-6


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
