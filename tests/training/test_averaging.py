from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.errors import ConfigError
from semdd_lightning.models import ConvNet
from semdd_lightning.training import ClassifierModule

MakeTrainer = Callable[..., Trainer]


def _module(decay: float | None = 0.5) -> ClassifierModule:
    torch.manual_seed(0)
    return ClassifierModule(partial(ConvNet, depth=1, width=4), 3, 16, ema_decay=decay)


def _data(pool: Path, **options: Any) -> ImageDataModule:  # noqa: ANN401
    return ImageDataModule(FolderImages(pool), 3, 16, batch_size=7, **{"passes": 2, **options})


class StepsSeen(Callback):
    """The weights after each step of the optimiser, and the average by the peers' own rule."""

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
