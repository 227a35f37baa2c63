"""Whole trainings against transcribed loops of reference implementations: same batches, same weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR

from semdd_lightning.data import Augmentation, FolderImages, ImageDataModule, TrainingImages
from semdd_lightning.training import ClassifierModule, CosineLR, DistillationModule, MilestonesLR
from tests.training.colour_teacher import Colours, ColourTeacher

MakeTrainer = Callable[..., Trainer]
PASSES = 4


def small_student(num_classes: int, image_size: int) -> nn.Module:
    """With BatchNorm, and no bias before it, whose gradient would be rounding noise that AdamW enlarges."""
    convolution = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    return nn.Sequential(
        convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64, num_classes)
    )


class Batches(Callback):
    """Every batch that was trained on, pass by pass."""

    def __init__(self) -> None:
        self.seen: list[list[TrainingImages]] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen.append([])

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: TrainingImages,
        batch_idx: int,
    ) -> None:
        self.seen[-1].append(batch)


def _trained(
    module: ClassifierModule,
    pool: Path,
    make_trainer: MakeTrainer,
    accumulated: int = 1,
    **options: Any,  # noqa: ANN401
) -> tuple[nn.Module, list[list[TrainingImages]]]:
    """Train, and give the untrained student with the batches, so that a loop can train it alike."""
    student, batches = copy.deepcopy(module.network), Batches()
    data = ImageDataModule(FolderImages(pool), 3, 16, passes=PASSES, passes_per_epoch=1, **options)
    trainer = make_trainer(PASSES, callbacks=[batches], accumulate_grad_batches=accumulated)
    trainer.fit(module, datamodule=data)
    return student.train(), batches.seen


def _same(ours: nn.Module, theirs: nn.Module) -> None:
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4, msg=name)


def _decay_groups(student: nn.Module) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in student.named_parameters():
        (decayed if name.find("weight") >= 0 and len(parameter.size()) > 1 else spared).append(parameter)
    return [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _seeded(build: Callable[[], ClassifierModule]) -> ClassifierModule:
    torch.manual_seed(0)
    return build()


def test_rded(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    half = partial(CosineLR, stretch=2.0)
    build = partial(DistillationModule, small_student, ColourTeacher(), 3, 16, schedule=half)
    module = _seeded(partial(build, statistics_twice=True))
    student, epochs = _trained(module, coloured_pool, make_trainer, batch_size=7)
    optimizer = torch.optim.AdamW(_decay_groups(student), lr=0.001, betas=(0.9, 0.999), weight_decay=0.01)
    scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / PASSES / 2)))
    divergence = nn.KLDivLoss(reduction="batchmean")
    for batches in epochs:
        assert len(batches) == 3
        for batch in batches:
            with torch.no_grad():
                student(batch.images)  # for the training accuracy that it prints
                soft = F.softmax(Colours()(batch.images) / 20, dim=1)
            optimizer.zero_grad()
            _backward(divergence(F.log_softmax(student(batch.images) / 20, dim=1), soft))
            optimizer.step()
        scheduler.step()
    _same(module.network, student)
    assert module.quirks == ["half_cosine", "statistics_twice"]


@pytest.mark.parametrize(("half", "steps"), [(4, [2, 2, 1]), (5, [2, 2])])
def test_sre2l_in_halves(half: int, steps: list[int], coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    module = _seeded(partial(DistillationModule, small_student, ColourTeacher(), 3, 16))
    student, epochs = _trained(module, coloured_pool, make_trainer, 2, batch_size=half, mixing_group=2 * half)
    optimizer = torch.optim.AdamW(_decay_groups(student), lr=0.001, weight_decay=0.01)
    scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / PASSES)))
    for batches in epochs:
        parts, taken = iter(batches), []
        for whole in _wholes(18, 2 * half):  # of a batch, all but the last have two halves
            count = math.ceil(whole / half)
            optimizer.zero_grad()
            mixed = set()
            for _ in range(count):
                batch = next(parts)
                mixed.add(batch.ratio.flatten()[0].item())
                soft = F.softmax(Colours()(batch.images) / 20, dim=1)
                loss = F.kl_div(F.log_softmax(student(batch.images) / 20, dim=1), soft, reduction="batchmean")
                _backward(loss / 2)
            optimizer.step()
            assert len(mixed) == 1, "both halves have the one CutMix of the whole"
            taken.append(count)
        assert taken == steps
        assert next(parts, None) is None
        scheduler.step()
    _same(module.network, student)


def _wholes(images: int, size: int) -> Iterator[int]:
    while images > 0:
        yield min(images, size)
        images -= size


def test_minimax(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    sgd = partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=5e-4)
    build = partial(ClassifierModule, small_student, 3, 16, sgd, MilestonesLR, "all")
    module = _seeded(build)
    policy = Augmentation(crop_scale=(0.5, 1), color_jitter=(0.4, 0.4, 0.4), lighting=0.1)
    student, epochs = _trained(module, coloured_pool, make_trainer, batch_size=7, augmentation=policy)
    optimizer = torch.optim.SGD(student.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    scheduler = MultiStepLR(optimizer, milestones=[2 * PASSES // 3, 5 * PASSES // 6], gamma=0.2)
    criterion = nn.CrossEntropyLoss()
    for batches in epochs:
        for batch in batches:
            output = student(batch.images)
            own, other = criterion(output, batch.labels), criterion(output, batch.partner_labels)
            optimizer.zero_grad()
            _backward(own * batch.ratio + other * (1.0 - batch.ratio))
            optimizer.step()
        scheduler.step()
    _same(module.network, student)


def test_edc(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    build = partial(
        DistillationModule,
        small_student,
        ColourTeacher(),
        3,
        16,
        loss="mse",
        label_weight=0.025,
        ema_decay=0.99,
        schedule=partial(CosineLR, stretch=2.0),
    )
    module = _seeded(build)
    student, epochs = _trained(module, coloured_pool, make_trainer, batch_size=9)
    average = copy.deepcopy(student)
    optimizer = torch.optim.AdamW(_decay_groups(student), lr=0.001, weight_decay=0.01)
    scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1.0 + math.cos(math.pi * step / (2 * PASSES))))
    for batches in epochs:
        for batch in batches:
            optimizer.zero_grad()
            output, soft = student(batch.images), Colours()(batch.images)
            _backward(F.mse_loss(output, soft) + F.cross_entropy(output, batch.labels) * 0.025)
            optimizer.step()
            for parameter, averaged in zip(student.parameters(), average.parameters(), strict=True):
                averaged.data.mul_(0.99).add_(parameter.data, alpha=1.0 - 0.99)
        scheduler.step()
    _same(module.network, student)
    assert module.averaged is not None
    for name, value in module.averaged.module.named_parameters():
        torch.testing.assert_close(value.data, average.get_parameter(name).data, atol=1e-5, rtol=1e-4)
