"""One forward pass that counts its statistics twice, against two."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from semdd_lightning.training.batch_statistics import CountedTwice


class Restless(nn.Module):
    """Moves a buffer of its own at each pass."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += 1
        return images * self.seen


def _network(*between: nn.Module, momentum: float | None = 0.1) -> nn.Sequential:
    torch.manual_seed(0)
    first, second = nn.BatchNorm2d(4, momentum=momentum), nn.BatchNorm2d(4, momentum=momentum)
    return nn.Sequential(nn.Conv2d(3, 4, 3), first, nn.ReLU(), *between, nn.Conv2d(4, 4, 3), second)


def _passes_of(network: nn.Module) -> list[bool]:
    """Whether a gradient was wanted, of each pass to come."""
    seen: list[bool] = []
    network.register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    return seen


def _batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(5, 3, 8, 8, generator=generator) * (index + 1) for index in range(4)]


def _plainly(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        network(images)
    logits: Tensor = network(images)
    return logits


@pytest.mark.parametrize(
    ("build", "passes"),
    [
        (_network, 1),
        (lambda: _network(momentum=0.7), 1),
        (lambda: _network(nn.Dropout(0.3)), 2),
        (lambda: _network(Restless()), 2),
        (lambda: _network(momentum=None), 2),
        (lambda: _network(nn.BatchNorm2d(4, track_running_stats=False)), 1),
    ],
    ids=["plain", "momentum", "dropout", "other buffers", "cumulative", "untracked"],
)
def test_statistics_are_those_of_two_passes(build: Callable[[], nn.Sequential], passes: int) -> None:
    ours, theirs = build(), build()
    twice, seen = CountedTwice(ours), _passes_of(ours)
    torch.manual_seed(2)
    expected = [_plainly(theirs, images) for images in _batches()]
    torch.manual_seed(2)
    logits = [twice(images) for images in _batches()]
    assert all(map(torch.equal, logits, expected)), "what is learnt from is the same to the bit"
    assert seen == [False, True] + [wanted for _ in range(3) for wanted in ([False, True][-passes:])]
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_frozen_layers_stay_frozen_and_momenta_as_they_were() -> None:
    network = _network()
    network[1].eval()
    before = copy.deepcopy(network[1].state_dict())
    twice = CountedTwice(network)
    for images in _batches():
        twice(images)
    assert all(map(torch.equal, network[1].state_dict().values(), before.values()))
    assert [network[1].momentum, network[-1].momentum] == [0.1, 0.1]
    assert network[-1].state_dict()["num_batches_tracked"] == 2 * len(_batches())


def test_a_failed_pass_leaves_the_momenta() -> None:
    network = _network()
    twice = CountedTwice(network)
    twice(_batches()[0])
    with pytest.raises(RuntimeError, match="channels"):
        twice(torch.rand(2, 5, 8, 8))
    assert network[1].momentum == 0.1
