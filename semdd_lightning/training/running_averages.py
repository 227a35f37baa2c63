"""Running averages that follow a student's steps: of its weights, and of the statistics of BatchNorm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
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


class CountedTwice:
    """A forward pass in training mode after which running statistics are those of two over the same batch.

    RDED passes each batch without gradient before the pass that it learns from. A network that draws nothing
    at random meets the same statistics in both, and two steps ``r <- (1 - m) r + m s`` of a running
    statistic are one with momentum ``1 - (1 - m)^2``: the pass that learns does the work of both. Whether
    that holds of a network, the first batch tells, which is always passed twice.

    Args:
        network: what is trained.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._layers = [
            layer
            for layer in network.modules()
            if isinstance(layer, _BatchNorm) and layer.track_running_stats
        ]
        self._one_pass_is_enough: bool | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        if self._one_pass_is_enough:
            return self._in_one_pass(images)
        before = self._other_state(images.device)
        with torch.no_grad():
            self._network(images)
        if self._one_pass_is_enough is None:
            same = all(map(torch.equal, before, self._other_state(images.device)))
            self._one_pass_is_enough = same and all(layer.momentum is not None for layer in self._layers)
        logits: Tensor = self._network(images)
        return logits

    def _in_one_pass(self, images: Tensor) -> Tensor:
        layers = [layer for layer in self._layers if layer.training]
        momenta = [layer.momentum or 0.0 for layer in layers]
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = 1 - (1 - momentum) ** 2
        try:
            logits: Tensor = self._network(images)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
        for layer in layers:
            if layer.num_batches_tracked is not None:
                layer.num_batches_tracked += 1
        return logits

    def _other_state(self, device: torch.device) -> list[Tensor]:
        """What a pass may change besides the statistics: random generators, buffers of other layers."""
        states = [torch.get_rng_state()]
        if device.type != "cpu":
            states.append(torch.get_device_module(device).get_rng_state())
        statistics = {id(buffer) for layer in self._layers for buffer in layer.buffers()}
        return states + [b.clone() for b in self._network.buffers() if id(b) not in statistics]
