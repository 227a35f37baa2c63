from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import ConvNet
from semdd_lightning.training import ClassifierModule
from semdd_lightning.training.optimisation import CountedTwice

MakeTrainer = Callable[..., Trainer]


def _module(decay: float | None = 0.5) -> ClassifierModule:
    torch.manual_seed(0)
    return ClassifierModule(partial(ConvNet, depth=1, width=4), 3, 16, ema_decay=decay)


def _data(pool: Path, **options: Any) -> ImageDataModule:  # noqa: ANN401
    return ImageDataModule(FolderImages(pool), 3, 16, batch_size=7, **{"passes": 2, **options})


class StepsSeen(Callback):
    """The weights after each step of the optimiser, and their average by the published rule."""

    def __init__(self, module: ClassifierModule, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.average = {name: p.detach().clone() for name, p in module.network.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401
        if trainer.global_step == self.steps:  # gradients were only accumulated
            return
        self.steps = trainer.global_step
        assert isinstance(pl_module, ClassifierModule)
        for name, parameter in pl_module.network.named_parameters():
            average = self.average[name]
            average.mul_(self.decay).add_(parameter.detach(), alpha=1 - self.decay)


@pytest.mark.parametrize("accumulated", [1, 3])
def test_the_average_is_edcs_and_its_buffers_are_the_networks(
    coloured_pool: Path, make_trainer: MakeTrainer, accumulated: int
) -> None:
    module = _module(0.9)
    seen = StepsSeen(module, 0.9)
    make_trainer(2, callbacks=[seen], accumulate_grad_batches=accumulated).fit(
        module, datamodule=_data(coloured_pool)
    )
    assert module.averaged is not None
    assert seen.steps == 6 // accumulated
    for name, parameter in module.averaged.module.named_parameters():
        torch.testing.assert_close(parameter, seen.average[name])
        assert not parameter.requires_grad
    for one, other in zip(module.averaged.module.buffers(), module.network.buffers(), strict=True):
        assert torch.equal(one, other)


def test_only_the_average_is_evaluated_and_only_the_network_trained(
    coloured_pool: Path, make_trainer: MakeTrainer
) -> None:
    module, images = _module(), torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    trainer = make_trainer(2)
    trainer.fit(module, datamodule=_data(coloured_pool))
    assert module.averaged is not None
    trained = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert trained == {id(p) for p in module.network.parameters()}
    module.eval()
    found = module(images)
    assert torch.equal(found, module.averaged.module(images))
    assert not torch.equal(found, module.network(images))
    module.train()
    assert torch.equal(module(images), module.network(images))


def test_averaging_leaves_training_alone_and_resumes(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    def fitted(decay: float | None, epochs: int, folder: str, resume: str | None = None) -> dict[str, Tensor]:
        module, saving = (
            _module(decay),
            ModelCheckpoint(tmp_path / folder, "last", save_on_train_epoch_end=True),
        )
        trainer = make_trainer(epochs, callbacks=[saving], enable_checkpointing=True)
        trainer.fit(module, datamodule=_data(coloured_pool), ckpt_path=resume)
        return {name: value.clone() for name, value in module.state_dict().items()}

    plain, whole = fitted(None, 2, "plain"), fitted(0.5, 2, "whole")
    assert all(torch.equal(value, whole[name]) for name, value in plain.items())
    fitted(0.5, 1, "first")
    resumed = fitted(0.5, 2, "second", str(tmp_path / "first" / "last.ckpt"))
    assert resumed.keys() == whole.keys() > plain.keys()
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5])
def test_decays_that_make_no_sense(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"Expected ema_decay in \(0, 1\), found"):
        _module(decay)


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
