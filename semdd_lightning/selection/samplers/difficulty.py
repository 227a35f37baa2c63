"""Difficulty-guided sampling: as many easy and hard images as a real class has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.sampler import Sampler
from semdd_lightning.selection.samplers.random import class_generator
from semdd_lightning.selection.scores.of_networks import Difficulty
from semdd_lightning.selection.scores.score import Need, needed
from semdd_lightning.selection.ties import DECIMALS, first_best, ranking

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# Of ten bins; what rounds to an edge is above it.
_INNER_EDGES = np.arange(1, 10) / 10 - 0.5 * 10.0**-DECIMALS
_LOWEST_BOTTOM = 1e-4  # in place of a bottom of 0, which has no logarithm


def log_edges(ordered: Floats, bottom_offset: int, top_offset: Counts) -> Floats:
    """Where ten bins of log(d / bottom) / log(top / bottom) meet, as logarithms of d ``(..., 9)``.

    Values beyond bottom and top are in the first and the last bin, as clipped ones are; where the two are
    equal these are the only bins.

    Args:
        ordered: Difficulties of a class, ascending ``(n,)``.
        bottom_offset: How many of the lowest are below bottom; at most half of the class.
        top_offset: How many of the highest are above top ``(...)``; at most half of the class.

    >>> ordered = np.array([0.01, 0.1, 1.0])
    >>> log_edges(ordered, 0, np.array(0))[[0, 4]].round(4).tolist()
    [-4.1447, -2.3026]
    """
    half = (len(ordered) - 1) // 2
    bottom = float(ordered[min(bottom_offset, half)]) or _LOWEST_BOTTOM
    top = np.maximum(ordered[-1 - np.minimum(top_offset, half)], bottom)
    edges: Floats = np.log(bottom) + np.log(top / bottom)[..., None] * _INNER_EDGES
    return edges


def counts_between(ordered: Floats, edges: Floats) -> Counts:
    """How many of some ascending values ``(n,)`` lie in each bin ``(..., 10)``; an edge is in the upper one.

    Args:
        ordered: Values, ascending ``(n,)``.
        edges: Inner edges of the bins, ascending ``(..., 9)``.
    """
    below = np.searchsorted(ordered, edges, side="left")
    return np.diff(below, axis=-1, prepend=0, append=len(ordered))


def balancing_offsets(ordered: Floats, ipc: int) -> tuple[int, int]:
    """Offsets b and t of bottom and top that make logarithms of difficulty like the original and even.

    They minimise KL(original || logarithms) / 2 + KL(uniform || logarithms) / 2 over ten bins, in
    [0, ipc // 2)^2; the lowest b, then t, of equals. That is infinite where a bin is empty; both are 0 where
    it always is, and for one image per class, which leaves no choice.

    Args:
        ordered: Difficulties of the pool's class, ascending ``(n_c,)``, n_c >= ipc.
        ipc: Images to pick, >= 1.
    """
    offsets = np.arange(max(ipc // 2, 1))
    with np.errstate(divide="ignore"):
        logarithms, original = np.log(ordered), counts_between(ordered, _INNER_EDGES) / len(ordered)
        costs = []
        for bottom in range(len(offsets)):
            found = counts_between(logarithms, log_edges(ordered, bottom, offsets)) / len(ordered)
            # what depends on the offsets in the two divergences, whose weights are equal
            costs.append(-((original + 0.1) * np.log(found)).sum(axis=-1))
    best = first_best(-np.concatenate(costs))
    return best // len(offsets), best % len(offsets)


def quotas(counts: Counts, ipc: int) -> Counts:
    """Counts scaled to a sum of ``ipc`` by largest remainder; equals go to the first bin.

    Args:
        counts: Images in each bin, one at least in all ``(bins,)``.
        ipc: Sum of the quotas.

    >>> quotas(np.array([5, 2, 2, 0]), 4).tolist()
    [2, 1, 1, 0]
    """
    whole, remainder = np.divmod(counts * ipc, counts.sum())
    raised = ranking(torch.from_numpy(remainder).double())[: ipc - int(whole.sum())]
    whole[raised.numpy()] += 1
    return whole


def difficulty_guided(difficulty: Floats, real: Floats, ipc: int, generator: torch.Generator) -> Tensor:
    """Draw images so that their difficulties, in ten bins of the logarithm, are spread as those of real ones.

    O(ipc^2 log n_c). Where a bin has too few images, all are taken and the rest is drawn from what is left.

    Args:
        difficulty: 1 - p(true class) of the images of a class ``(n_c,)``.
        real: The same of real images of the class ``(m,)``, m >= 1.
        ipc: Images to pick, in [1, n_c].
        generator: Of the class.

    Returns:
        Positions, easiest bin first ``(ipc,)``, int64.
    """
    ordered, real_ordered = np.sort(difficulty), np.sort(real)
    bottom, top = balancing_offsets(ordered, ipc)
    with np.errstate(divide="ignore"):
        real_counts = counts_between(np.log(real_ordered), log_edges(real_ordered, bottom, np.array(top)))
        bins = np.searchsorted(log_edges(ordered, bottom, np.array(top)), np.log(difficulty), side="right")
    shuffled = torch.randperm(len(difficulty), generator=generator).numpy()
    drawn = [shuffled[bins[shuffled] == b][:quota] for b, quota in enumerate(quotas(real_counts, ipc))]
    order = np.concatenate(drawn)
    rest = shuffled[~np.isin(shuffled, order)]
    return torch.from_numpy(np.concatenate([order, rest[: ipc - len(order)]]))


@dataclass(frozen=True)
class DifficultyGuided(Sampler):
    """Images as easy and hard for a classifier as the real images of the class.

    "Difficulty Guided Sampling" (DGS, arXiv 2507.03331), which takes torchvision's ResNet-50 as the
    classifier and draws from five times as many images as it keeps. Where the real class has too few images
    for the offsets found on the pool, they are cut to half of it.
    """

    name: ClassVar[str] = "difficulty"
    meaning: ClassVar[str] = "drawn to be as easy and hard for a classifier as real images"
    uses: ClassVar[tuple[str, ...]] = (Difficulty.name,)
    needs: ClassVar[frozenset[Need]] = Difficulty.needs | {"reference"}

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        """Draw images of one class."""
        real = needed(pool.reference_classifier, "classifier", f"{self.name}, of the reference images too")
        order = difficulty_guided(
            pool.scores[Difficulty.name].numpy(),
            (1 - real.own).numpy(),
            ipc,
            class_generator(seed, pool.class_index),
        )
        return Picks(order, torch.full((ipc,), torch.nan, dtype=torch.float64))
