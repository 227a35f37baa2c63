"""The balanced random baseline, and the same behind a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.quality_sampler import FilteringSampler
from semdd_lightning.selection.sampler import Sampler


def class_generator(seed: int, class_index: int) -> torch.Generator:
    """A CPU generator that depends on the seed and on this class only.

    The generator's seed is the first 64-bit word of ``numpy.random.SeedSequence([seed, class_index])``
    without its top bit: neighbouring seeds and classes give unrelated streams.

    Args:
        seed: Seed of the selection, >= 0.
        class_index: Class index, >= 0.

    >>> class_generator(0, 1).initial_seed() == class_generator(1, 0).initial_seed()
    False
    """
    word = int(np.random.SeedSequence([seed, class_index]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


def random_positions(num_images: int, ipc: int, seed: int, class_index: int) -> Tensor:
    """Positions of ``ipc`` images of a class, drawn uniformly without replacement ``(ipc,)``.

    Args:
        num_images: Images of the class, >= ipc.
        ipc: Images to draw.
        seed: Seed of the selection, >= 0.
        class_index: Class index.

    >>> sorted(random_positions(3, 3, seed=0, class_index=0).tolist())
    [0, 1, 2]
    """
    return torch.randperm(num_images, generator=class_generator(seed, class_index))[:ipc]


@dataclass(frozen=True)
class Random(Sampler):
    """The balanced random baseline: every class is drawn by itself, from (seed, class index)."""

    name: ClassVar[str] = "random"
    meaning: ClassVar[str] = "drawn from each class: the baseline"

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Draw images of one class."""
        order = random_positions(len(pool), ipc, seed, pool.class_index)
        return Picks(order, torch.full((ipc,), torch.nan, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class FilteredRandom(FilteringSampler):
    """A draw among the candidates, from (seed, class index): the control of every sampler that filters.

    After "Coverage-centric Coreset Selection for High Pruning Rates" (CCS, arXiv 2210.15809), which draws
    after a filter as well, in strata of the score. Parameters are those of `FilteringSampler`.
    """

    name: ClassVar[str] = "filtered_random"
    meaning: ClassVar[str] = "drawn from the candidates: what the filter alone gives"

    def pick_among(self, pool: ClassPool, candidates: Tensor, ipc: int, seed: int) -> tuple[Tensor, Tensor]:
        """Draw among the candidates of one class."""
        drawn = random_positions(len(candidates), ipc, seed, pool.class_index)
        return drawn, torch.full((ipc,), torch.nan, dtype=torch.float64)
