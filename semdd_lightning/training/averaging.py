"""The moving average of a student's weights."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def averaged_network(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network's parameters, its buffers being the network's latest.

    It starts as a copy of the network and is no part of training: nothing in it requires a gradient.

    Args:
        network: what is trained.
        decay: share of the average that stays at each step, in (0, 1); EDC takes 0.99.
    """
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
    averaged.n_averaged.fill_(1)  # else the first step replaces the initial weights
    return averaged.requires_grad_(requires_grad=False)
