from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.models import ConvNet
from semdd_lightning.training import (
    ClassifierModule,
    CosineLR,
    MilestonesLR,
    ScheduleFactory,
    parameter_groups,
    rded_optimizer,
)
from semdd_lightning.training.optimisation import fused

LR = 1e-3  # of RDED
PASSES = 6


def _rded(index: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * index / (2 * PASSES)))


def _to_zero(index: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * index / PASSES))


def _warm(index: int) -> float:
    return (1 / 3, 2 / 3)[index] if index < 2 else 0.5 * (1 + math.cos(math.pi * (index - 2) / 4))


SCHEDULES: dict[str, tuple[ScheduleFactory, Callable[[int], float]]] = {
    "rded": (partial(CosineLR, stretch=2.0), _rded),
    "to_zero": (CosineLR, _to_zero),
    "warm": (partial(CosineLR, warmup=2), _warm),
}


class RatesSeen(Callback):
    """Learning rates of every group at each step."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


@pytest.mark.parametrize("passes_per_epoch", [1, 2, 3, 6])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_pass_runs_at_its_rate(
    coloured_pool: Path, make_trainer: Callable[..., Trainer], name: str, passes_per_epoch: int
) -> None:
    schedule, factor = SCHEDULES[name]
    data = ImageDataModule(
        FolderImages(coloured_pool), 3, 16, batch_size=7, passes=PASSES, passes_per_epoch=passes_per_epoch
    )
    network = ClassifierModule(partial(ConvNet, depth=1, width=4), 3, 16, schedule=schedule)
    seen = RatesSeen()
    trainer = make_trainer(PASSES // passes_per_epoch, callbacks=[seen])
    trainer.fit(network, datamodule=data)
    steps = 3  # 18 images in batches of 7, 7 and 4
    assert len(seen.rates) == steps * PASSES
    for step, rates in enumerate(seen.rates):
        assert rates == pytest.approx([LR * factor(step // steps)] * 2)
    after = [group["lr"] for group in trainer.optimizers[0].param_groups]
    assert after == pytest.approx([LR * factor(PASSES)] * 2, abs=1e-12)


def test_where_the_cosines_end() -> None:
    def end(**options: float) -> float:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = CosineLR(optimizer, 300, **options)  # type: ignore[arg-type]
        for _ in range(300):
            optimizer.step()
            scheduler.step()
        return float(optimizer.param_groups[0]["lr"])

    assert end(stretch=2.0) == pytest.approx(0.5)  # RDED's stops at half
    assert end() == pytest.approx(0, abs=1e-12)
    assert end(warmup=5) == pytest.approx(0, abs=1e-12)


def _rates(factory: ScheduleFactory, passes: int, lr: float) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, rates = factory(optimizer, passes), []
    for _ in range(passes):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("passes", [3000, 2000, 1500, 1000, 500, 300, 1300, 600, 200, 7])
def test_minimaxs_milestones(passes: int) -> None:
    rate, expected = 0.01, []
    for epoch in range(passes):  # MultiStepLR counts after the epoch
        if epoch in (2 * passes // 3, 5 * passes // 6):
            rate *= 0.2
        expected.append(rate)
    assert _rates(MilestonesLR, passes, 0.01) == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [300, 1000, 5])
def test_dc_benchs_rate_and_its_fresh_optimiser(epochs: int) -> None:
    """DC-bench trains epoch 0 to E, and after epoch E // 2 + 1 makes an SGD of a tenth of the rate."""
    weight = nn.Parameter(torch.ones(1))

    def fresh(rate: float, parameter: nn.Parameter) -> torch.optim.SGD:
        return torch.optim.SGD([parameter], lr=rate, momentum=0.9, weight_decay=5e-4)

    rate, expected, rates = 0.01, [], []
    theirs = fresh(rate, weight)
    for epoch in range(epochs + 1):
        rates.append(rate)
        weight.grad = torch.cos(weight.detach() + epoch)
        theirs.step()
        expected.append(weight.item())
        if epoch == epochs // 2 + 1:
            rate *= 0.1
            theirs = fresh(rate, weight)

    mine = nn.Parameter(torch.ones(1))
    ours, found, found_rates = fresh(0.01, mine), [], []
    schedule = MilestonesLR(ours, epochs + 1, milestones=((1, 2),), gamma=0.1, offset=3, fresh=True)
    for epoch in range(epochs + 1):
        found_rates.append(ours.param_groups[0]["lr"])
        mine.grad = torch.cos(mine.detach() + epoch)
        ours.step()
        found.append(mine.item())
        schedule.step()
    assert found_rates == pytest.approx(rates)
    assert found == pytest.approx(expected)


def test_tiny_imagenets_warm_up_is_torchs_own_sequence() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.2)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=5)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=95)
    reference = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[5])
    expected = []
    for _ in range(100):
        expected.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        reference.step()
    found = _rates(partial(CosineLR, warmup=5, warmup_start=0.01), 100, 0.2)
    assert found == pytest.approx(expected, abs=1e-9)


def _names(network: nn.Module, group: dict[str, Any]) -> set[str]:
    by_id = {id(parameter): name for name, parameter in network.named_parameters()}
    return {by_id[id(parameter)] for parameter in group["params"]}


@pytest.mark.parametrize("name", ["vit_b_16", "resnet18"])
def test_decay_spares_norms_biases_and_a_vits_positions(name: str) -> None:
    with torch.device("meta"):  # weights without values
        network = torchvision.models.get_model(name, num_classes=3)
    decayed, spared = parameter_groups(network, "weights")
    assert spared["weight_decay"] == 0
    assert "weight_decay" not in decayed  # the optimiser's own value
    matrices = set()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            matrices.add(f"{name}.weight")
        if isinstance(layer, nn.MultiheadAttention):
            matrices.add(f"{name}.in_proj_weight")
    assert _names(network, decayed) == matrices
    everything = {name for name, _ in network.named_parameters()}
    assert _names(network, spared) == everything - matrices
    if isinstance(network, torchvision.models.VisionTransformer):
        assert "encoder.pos_embedding" in _names(network, spared)


def test_decay_on_all_is_one_group_and_frozen_parameters_stay_out() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(requires_grad=False)
    (group,) = parameter_groups(network, "all")
    assert _names(network, group) == {"1.weight", "1.bias"}
    decayed, spared = parameter_groups(network, "weights")
    assert (_names(network, decayed), _names(network, spared)) == ({"1.weight"}, {"1.bias"})


def test_rdeds_optimiser() -> None:
    optimizer = rded_optimizer(parameter_groups(nn.Linear(2, 2), "weights"))
    assert isinstance(optimizer, torch.optim.AdamW)
    values = [(g["lr"], g["betas"], g["weight_decay"]) for g in optimizer.param_groups]
    assert values == [(1e-3, (0.9, 0.999), 0.01), (1e-3, (0.9, 0.999), 0.0)]


@pytest.mark.parametrize(
    "build",
    [
        rded_optimizer,
        partial(torch.optim.Adam, lr=1e-2, amsgrad=True),
        partial(torch.optim.SGD, lr=1e-2, momentum=0.9, weight_decay=5e-4),
    ],
    ids=["adamw", "adam", "sgd"],
)
def test_fused_steps_are_those_of_a_loop(build: Callable[..., torch.optim.Optimizer]) -> None:
    def trained(*, fuse: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = ConvNet(3, 8, depth=1, width=4, norm="none")
        optimizer = build(parameter_groups(network, "weights"))
        optimizer = fused(optimizer) if fuse else optimizer
        assert all(bool(group["fused"]) == fuse for group in optimizer.param_groups)
        for _ in range(10):
            loss = network(torch.rand(5, 3, 8, 8)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return network.state_dict()

    plain = trained(fuse=False)
    for name, value in trained(fuse=True).items():
        torch.testing.assert_close(value, plain[name], atol=1e-6, rtol=1e-5, msg=name)


def test_what_was_asked_of_an_optimizer_stays() -> None:
    parameters = [nn.Parameter(torch.zeros(2))]
    looped = fused(torch.optim.AdamW(parameters, foreach=False))
    assert looped.param_groups[0]["fused"] is None
    assert not fused(torch.optim.SGD(parameters, differentiable=True)).param_groups[0]["fused"]
    other = torch.optim.RMSprop(parameters)
    assert fused(other) is other
