"""A draw among the candidates: what the filter alone is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool
from semdd_lightning.selection.quality_sampler import FilteringSampler
from semdd_lightning.selection.samplers.random import random_positions


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
