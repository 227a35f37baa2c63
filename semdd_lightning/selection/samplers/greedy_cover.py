"""Greedy coverage, computing no more gains than decide."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from semdd_lightning.selection.ties import DECIMALS, first_best

# Candidates whose gain is computed at first, twice as many each time the best may not be among them, and at
# most: more would leave the cache.
_FIRST_LOOK, _LARGEST_LOOK = 32, 512
_TIE = 2 * 10.0**-DECIMALS  # gains that round to one decision value, with room for the last bits


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
            rows = torch.nonzero(~current & (bounds > best - _TIE))[:, 0]
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
