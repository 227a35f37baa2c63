"""Greedy facility location on the image embeddings of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.blocks import Scratch
from semdd_lightning.selection.checks import whole_number
from semdd_lightning.selection.kernel import unit_rows
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers.greedy_cover import greedy_cover

_KEPT_BLOCKS = 3


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
        """Pick representatives of one class.

        Args:
            pool: The images of the class.
            ipc: Images to pick.
            seed: Without effect.
        """
        return facility_location(pool.image_embeddings, ipc, self.block)
