"""The best by one number: what samplers without a second stage share."""

from __future__ import annotations

from torch import Tensor

from semdd_lightning.selection.picks import Picks
from semdd_lightning.selection.ties import ranking


def top(scores: Tensor, ipc: int) -> Picks:
    """The images of highest score, best first; equals in path order.

    Args:
        scores: One score of the images of a class ``(n_c,)``, float64.
        ipc: Images to pick, <= n_c.

    >>> import torch
    >>> top(torch.tensor([0.1, 0.9, 0.5], dtype=torch.float64), 2).order.tolist()
    [1, 2]
    """
    order = ranking(scores)[:ipc]
    return Picks(order, scores[order])
