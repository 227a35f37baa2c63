"""Greedy coverage of a class: facility location, and a kernel in which images count by their class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.checks import whole_number
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.pieces import DEFAULT_CHUNK, Scratch, row_chunks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers.kernel import KernelSampler, kernel, unit_rows
from semdd_lightning.selection.scores.of_prototypes import Posterior
from semdd_lightning.selection.scores.score import Need
from semdd_lightning.selection.ties import TIE, first_best

_KEPT = 2**24  # entries of a kernel matrix, 128 MiB; a larger one is computed when it is asked for
_KEPT_BLOCKS = 3
# Candidates whose gain is computed at first, twice as many each time the best may not be among them, and at
# most: more would leave the cache.
_FIRST_LOOK, _LARGEST_LOOK = 32, 512


def greedy_cover(
    similarities: Callable[[Tensor], Tensor],
    weights: Tensor,
    gains: Tensor,
    uncovered: float,
    ipc: int,
    block: int = _LARGEST_LOOK,
) -> tuple[Tensor, Tensor]:
    """Pick greedily what adds most to the weighted sum of every image's similarity to its nearest pick.

    Gains never grow from pick to pick, so an old gain bounds a new one, and only candidates whose bound
    reaches the best gain are computed again: the lazy greedy of Minoux, "Accelerated greedy algorithms for
    maximizing submodular set functions", 1978, with the answer of the plain one.

    Args:
        similarities: Gives the similarities of some candidates ``(m,)`` to all images ``(m, n)``, in memory
            that is overwritten.
        weights: Weight of each image ``(n,)``, float64, >= 0.
        gains: What each candidate would add as the first pick ``(K,)``, float64.
        uncovered: Similarity that an image has to no pick at all.
        ipc: Images to pick, in [1, K].
        block: Candidates computed at a time, >= 1; changes nothing but memory.

    Returns:
        Positions among the candidates in order of the picks ``(ipc,)``, and their gains ``(ipc,)``.
    """
    nearest = torch.full_like(weights, uncovered)
    bounds, current = gains.clone(), torch.ones(len(gains), dtype=torch.bool)
    order, values = [], []
    for _ in range(ipc):
        best = -torch.inf
        size = min(_FIRST_LOOK, block)
        while True:
            rows = torch.nonzero(~current & (bounds > best - TIE))[:, 0]
            if len(rows) == 0:
                break
            rows = rows[bounds[rows].topk(min(size, len(rows))).indices]
            bounds[rows] = similarities(rows).sub_(nearest).clamp_(min=0) @ weights
            current[rows] = True
            best = max(best, float(bounds[rows].max()))
            size = min(2 * size, _LARGEST_LOOK, block)
        picked = first_best(bounds.masked_fill(~current, -torch.inf))
        order.append(picked)
        values.append(float(bounds[picked]))
        torch.maximum(nearest, similarities(torch.tensor([picked]))[0], out=nearest)
        bounds[picked] = -torch.inf
        current = torch.zeros(len(gains), dtype=torch.bool)
    return torch.tensor(order), torch.tensor(values, dtype=torch.float64)


def facility_location(image_embeddings: Tensor, ipc: int, block: int = 2048) -> Picks:
    """Greedy facility location: each pick adds most to the class's mean similarity to its nearest pick.

    Similarity is (1 + cosine) / 2, the value is the gain. The objective is that of Mirchandani and Francis,
    "Discrete location theory", 1990.

    Args:
        image_embeddings: Unit vectors of one class ``(n_c, d)``, float64.
        ipc: Images to pick, <= n_c.
        block: Rows of the class matrix computed at a time, >= 1; the matrix of a class of up to three times
            as many images is kept.

    >>> z = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0], [0.8, 0.6]], dtype=torch.float64)
    >>> facility_location(z, 2).order.tolist()
    [3, 2]
    """
    # exact unit vectors keep similarities non-negative: nothing is less similar than having no pick at all
    vectors = unit_rows(image_embeddings)
    cosines = _Cosines(vectors, kept=len(vectors) <= _KEPT_BLOCKS * block)
    gains = (1 + vectors @ vectors.mean(dim=0)) / 2
    weights = torch.full((len(vectors),), 0.5 / len(vectors), dtype=torch.float64)
    return Picks(*greedy_cover(cosines, weights, gains, uncovered=-1.0, ipc=ipc, block=block))


class _Cosines:
    """Rows of the class matrix, in memory that the next call takes back."""

    def __init__(self, vectors: Tensor, *, kept: bool) -> None:
        self._vectors, self._scratch = vectors, Scratch()
        # NumPy sees that this is symmetric and computes half of it
        self._matrix = torch.from_numpy(vectors.numpy() @ vectors.numpy().T) if kept else None

    def __call__(self, rows: Tensor) -> Tensor:
        """Cosines of some images to all ``(m, n_c)``."""
        memory = self._scratch("cosines", (len(rows), len(self._vectors)), torch.float64)
        if self._matrix is None:
            return torch.mm(self._vectors[rows], self._vectors.T, out=memory)
        return torch.index_select(self._matrix, 0, rows, out=memory)


@dataclass(frozen=True)
class FacilityLocation(Sampler):
    """Greedy facility location: the picks that represent all images of the class best.

    Args:
        block: Rows of the class's similarity matrix held at a time, >= 1; changes nothing but memory.

    Raises:
        SelectionError: If the block is not positive.
    """

    name: ClassVar[str] = "facility_location"
    meaning: ClassVar[str] = "those that represent all images of the class"
    # a class may take 300 MiB, and its products are large enough for all cores
    classes_at_once: ClassVar[int] = 1

    block: int = 2048

    def __post_init__(self) -> None:
        whole_number("block", self.block, at_least=1)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Pick representatives of one class."""
        return facility_location(pool.image_embeddings, ipc, self.block)


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
