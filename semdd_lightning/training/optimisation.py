"""Learning-rate schedules that count passes, the parameter groups of weight decay, and fused steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

ScheduleFactory = Callable[[Optimizer, int], LRScheduler]
"""Builds a scheduler that is stepped once per pass, from an optimiser and the number of passes."""


class CosineLR(LambdaLR):
    """Cosine decay over passes: factor ``0.5 * (1 + cos(pi * pass / (stretch * passes)))``.

    Args:
        optimizer: the optimiser.
        passes: passes in the whole training.
        stretch: 1 ends at zero; 2, the half cosine of RDED and EDC, ends at half the learning rate.
        warmup: passes of linear warm-up before, counted within ``passes``.
        warmup_start: factor of the first of them (default: ``1 / (warmup + 1)``).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        passes: int,
        stretch: float = 1.0,
        warmup: int = 0,
        warmup_start: float | None = None,
    ) -> None:
        self.stretch = stretch
        start = 1 / (warmup + 1) if warmup_start is None else warmup_start

        def factor(pass_index: int) -> float:
            if pass_index < warmup:
                return start + (1 - start) * pass_index / warmup
            position = (pass_index - warmup) / max(1, passes - warmup)
            return 0.5 * (1 + math.cos(math.pi * position / stretch))

        super().__init__(optimizer, factor)


class MilestonesLR(LambdaLR):
    """A factor at each milestone: ``gamma ** (milestones passed)``.

    A milestone is a share of the passes, ``(passes + offset) * numerator // denominator``; the rate changes
    once so many passes are done.

    Args:
        optimizer: the optimiser.
        passes: passes in the whole training.
        milestones: shares as (numerator, denominator); ((2, 3), (5, 6)) are Minimax Diffusion's.
        gamma: factor at each of them.
        offset: passes that are added before the share is taken. DC-bench lowers the rate of its E + 1 epochs
            once E // 2 + 2 are done, which is (1, 2) with offset 3.
        fresh: forget momenta at each milestone, as DC-bench does by making a new optimiser.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        passes: int,
        milestones: Sequence[tuple[int, int]] = ((2, 3), (5, 6)),
        gamma: float = 0.2,
        offset: int = 0,
        fresh: bool = False,
    ) -> None:
        self.at = [(passes + offset) * numerator // denominator for numerator, denominator in milestones]
        self.fresh = fresh
        super().__init__(optimizer, lambda done: gamma ** sum(done >= milestone for milestone in self.at))

    def step(self, epoch: int | None = None) -> None:
        """Count one pass."""
        super().step(epoch)
        if self.fresh and self.last_epoch in self.at:
            self.optimizer.state.clear()


def parameter_groups(network: nn.Module, decay: Literal["weights", "all"]) -> list[dict[str, Any]]:
    """Parameters in the order of the network, split by whether weight decay applies.

    ``weights`` is RDED's rule: decay only parameters whose name contains "weight" and that have two or more
    dimensions. Norms and biases are left alone.
    """
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    if decay == "all":
        return [{"params": [parameter for _, parameter in named]}]
    decayed = [p for name, p in named if "weight" in name and p.ndim >= 2]
    others = [p for name, p in named if not ("weight" in name and p.ndim >= 2)]
    return [{"params": decayed}, {"params": others, "weight_decay": 0.0}]


def fused(optimizer: Optimizer) -> Optimizer:
    """Let an optimiser step all parameters in one kernel where it can and was not told otherwise.

    The formula is the same; numbers differ from a loop over parameters in their last bits.
    """
    if isinstance(optimizer, (Adam, AdamW, SGD)):  # elsewhere not for every device
        for group in optimizer.param_groups:
            if group["fused"] is None and group["foreach"] is None:
                group["fused"] = not group["differentiable"]
    return optimizer


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
