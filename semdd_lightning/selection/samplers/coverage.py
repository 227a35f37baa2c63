"""Greedy coverage of a class by its candidates, images counting by how surely they show the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import DEFAULT_CHUNK, row_chunks
from semdd_lightning.selection.kernel import KernelSampler, kernel, unit_rows
from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.samplers.greedy_cover import greedy_cover
from semdd_lightning.selection.scores import Need, Posterior

_KEPT = 2**24  # entries of a kernel matrix, 128 MiB; a larger one is computed when it is asked for


def kernel_coverage(
    image_embeddings: Tensor, candidates: Tensor, weights: Tensor, ipc: int, bandwidth: float
) -> tuple[Tensor, Tensor]:
    """Greedy argmax over candidates j of the mean over i of w_i * [k(z_i, z_j) - best so far]+.

    MaxHerding of "Generalized Coverage for More Robust Low-Budget Active Learning" (arXiv 2407.12212), with
    weights. The mean in place of a sum changes no choice. O(K n_c d) for the kernel, and O(ipc K n_c) at
    most, since gains are lazy.

    Args:
        image_embeddings: Unit vectors z of one class ``(n_c, d)``, float64.
        candidates: Positions of the candidates ``(K,)``, int64, ascending.
        weights: Weight w of each image of the class ``(n_c,)``, float64, >= 0.
        ipc: Images to pick, in [1, K].
        bandwidth: tau of the kernel, > 0.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and their gains ``(ipc,)``.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]], dtype=torch.float64)
    >>> ones = torch.ones(3, dtype=torch.float64)
    >>> kernel_coverage(z, torch.arange(3), ones, 2, 0.1)[0].tolist()
    [1, 2]
    """
    vectors = unit_rows(image_embeddings)
    pickable = vectors[candidates]
    kept = len(pickable) * len(vectors) <= _KEPT
    matrix = kernel(pickable, vectors, bandwidth) if kept else None

    def similarities(rows: Tensor) -> Tensor:
        return kernel(pickable[rows], vectors, bandwidth) if matrix is None else matrix[rows]

    weights = weights / len(vectors)
    positions = torch.arange(len(pickable))
    chunks = row_chunks(len(pickable), DEFAULT_CHUNK)
    gains = torch.cat([similarities(positions[rows]) @ weights for rows in chunks])
    return greedy_cover(similarities, weights, gains, uncovered=0.0, ipc=ipc)


@dataclass(frozen=True, kw_only=True)
class Coverage(KernelSampler):
    """The candidates that cover the class best, each image counting by its zero-shot posterior.

    Parameters are those of `KernelSampler`.
    """

    name: ClassVar[str] = "coverage"
    meaning: ClassVar[str] = "candidates that cover the images surely of the class"
    uses: ClassVar[tuple[str, ...]] = (Posterior.name,)
    needs: ClassVar[frozenset[Need]] = Posterior.needs

    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Cover one class."""
        weights, bandwidth = pool.scores[Posterior.name], self.class_bandwidth(pool, ipc)
        return kernel_coverage(pool.image_embeddings, candidates, weights, ipc, bandwidth)
