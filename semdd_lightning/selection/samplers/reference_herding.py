"""Matching the real images of a class with as few of its candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK, row_chunks
from semdd_lightning.selection.kernel import KernelSampler, kernel, unit_rows
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.scores import Need
from semdd_lightning.selection.scores.score import needed
from semdd_lightning.selection.ties import first_best


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
