from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional as F

from semdd_lightning.data import FolderImages, ImageDataModule, PoolDataModule
from semdd_lightning.data.classifier import ClassifierContext
from semdd_lightning.data.loaders import PassLoader
from semdd_lightning.errors import ConfigError, TeacherError
from semdd_lightning.models import ConvNet, NetworkFactory
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import DistillationModule, Teacher, soft_label_loss

MakeTrainer = Callable[..., Trainer]
TINY: NetworkFactory = partial(ConvNet, depth=1, width=4, norm="instance")
CHANNELS = [2, 1, 0]  # of the classes blue, green, red


class ColourNetwork(nn.Module):
    """Knows a coloured image's class by its strongest channel; remembers how it was asked."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.5)  # both would act in training mode
        self.scale = nn.Parameter(torch.tensor(30.0))
        self.channels = channels
        self.seen: list[Tensor] = []
        self.modes: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        self.modes |= {layer.training for layer in self.modules()} | {torch.is_grad_enabled()}
        colours: Tensor = self.drop(self.norm(images)).mean(dim=(2, 3))
        return self.scale * colours[:, self.channels]


@dataclass(frozen=True)
class ColourTeacher(Teacher):
    """Builds a `ColourNetwork` and keeps what it was told."""

    channels: list[int] = field(default_factory=lambda: CHANNELS)
    contexts: list[ClassifierContext] = field(default_factory=list)

    def build(self, context: ClassifierContext) -> nn.Module:
        self.contexts.append(context)
        return ColourNetwork(self.channels)


@dataclass(frozen=True)
class NoTeacher(Teacher):
    """A teacher that cannot be built."""

    def build(self, context: ClassifierContext) -> nn.Module:
        raise TeacherError("no teacher")


def _data(pool: Path, **options: Any) -> ImageDataModule:  # noqa: ANN401
    return ImageDataModule(FolderImages(pool), 3, 16, **{"batch_size": 7, "passes": 2, **options})


def _module(teacher: Teacher, **options: Any) -> DistillationModule:  # noqa: ANN401
    torch.manual_seed(0)
    return DistillationModule(TINY, teacher, 3, 16, **options)


def _network(module: DistillationModule) -> ColourNetwork:
    network = module.frozen_teacher.network
    assert isinstance(network, ColourNetwork)
    return network


def test_the_teacher_sees_exactly_the_students_pixels(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    module, student_saw = _module(ColourTeacher()), []
    module.network.register_forward_pre_hook(lambda _, inputs: student_saw.append(inputs[0]))
    make_trainer(2).fit(module, datamodule=_data(coloured_pool))
    teacher_saw = _network(module).seen[1:]  # the first batch was the check before training
    assert len(student_saw) == len(teacher_saw) == 2 * 3
    for one, other in zip(student_saw, teacher_saw, strict=True):
        assert one is other


def test_the_teacher_is_never_trained_switched_or_saved(
    coloured_pool: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    module = _module(ColourTeacher())
    trainer = make_trainer(
        2,
        callbacks=[ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)],
        enable_checkpointing=True,
    )
    trainer.fit(module, datamodule=_data(coloured_pool))
    teacher, fresh = _network(module), ColourNetwork(CHANNELS)
    module.train()
    assert teacher.modes == {False}
    assert not any(layer.training for layer in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name])

    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    student = {f"network.{name}" for name in module.network.state_dict()}
    assert set(saved["state_dict"]) == set(module.state_dict()) == student
    trained = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert trained == {id(p) for p in module.network.parameters()} == {id(p) for p in module.parameters()}


def test_a_students_steps_descend_the_softened_divergence(coloured_pool: Path) -> None:
    data, module = _data(coloured_pool), _module(ColourTeacher(), temperature=4.0)
    module._trainer = _Stub(data)  # type: ignore[assignment]
    data.setup("fit")
    module.setup("fit")
    for indices in PassLoader(data._stores["train"], data.planner, 1, lambda: 0):
        batch = data.on_after_batch_transfer(indices, 0)
        expected = soft_label_loss(module(batch.images), _network(module)(batch.images), 4.0)
        assert torch.equal(module.training_loss(batch), expected)


class _Stub:
    """As much of a trainer as ``setup`` asks for."""

    def __init__(self, data: ImageDataModule) -> None:
        self.datamodule, self.world_size, self.strategy = data, 1, self
        self.root_device = torch.device("cpu")


def test_ranks_gradients_average_to_the_single_processes(coloured_pool: Path) -> None:
    data, module = _data(coloured_pool, batch_size=5), _module(ColourTeacher())
    module._trainer = _Stub(data)  # type: ignore[assignment]
    data.setup("fit")
    module.setup("fit")
    module.log = lambda *_, **__: None  # type: ignore[method-assign]

    def gradients(rank: int, world_size: int) -> list[tuple[Tensor, ...]]:
        loader = PassLoader(data._stores["train"], data.planner, 1, lambda: 0, rank, world_size)
        losses = [module.training_step(data.on_after_batch_transfer(batch, 0), 0) for batch in loader]
        return [torch.autograd.grad(loss, list(module.parameters())) for loss in losses]

    ranks = [gradients(rank, 3) for rank in range(3)]
    for step, single in enumerate(gradients(0, 1)):
        for i, gradient in enumerate(single):
            mean = sum(rank[step][i] for rank in ranks) / 3
            torch.testing.assert_close(mean, gradient, atol=1e-7, rtol=1e-4)


def test_distillation_learns(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    module, data = (
        _module(ColourTeacher(), temperature=1.0),
        _data(coloured_pool, passes=60, passes_per_epoch=60),
    )
    data.test = FolderImages(coloured_pool)
    trainer = make_trainer()
    trainer.fit(module, datamodule=data)
    (metrics,) = trainer.test(module, datamodule=data, verbose=False)
    assert metrics["test_top1"] > 0.9


@pytest.mark.parametrize("held_out", [0, 2])
def test_a_teacher_that_counts_classes_otherwise_is_refused_before_training(
    coloured_pool: Path, make_trainer: MakeTrainer, held_out: int
) -> None:
    data = _data(coloured_pool)
    if held_out:
        data.validation = FolderImages(coloured_pool, held_out=held_out, part="held_out")
    what = "6 held-out real images" if held_out else "18 training images"
    module, trainer = _module(ColourTeacher([1, 0, 2])), make_trainer()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    message = (
        rf"Expected a teacher above chance, found 0 of {what} right \(0.0%, chance is 33.3%\); check first"
    )
    with pytest.raises(TeacherError, match=message):
        trainer.fit(module, datamodule=data)
    assert trainer.global_step == 0
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_evaluation_needs_no_teacher(coloured_pool: Path, make_trainer: MakeTrainer) -> None:
    data, module = ImageDataModule(None, 3, 16, test=FolderImages(coloured_pool)), _module(NoTeacher())
    assert make_trainer().test(module, datamodule=data, verbose=False)
    assert make_trainer().predict(module, datamodule=data)
    with pytest.raises(ConfigError, match=r"Expected setup\('fit'\) to have built the teacher, found none"):
        _ = module.frozen_teacher
    with pytest.raises(TeacherError, match="no teacher"):
        make_trainer().fit(module, datamodule=_data(coloured_pool))


def test_the_teacher_is_told_classes_size_and_prior(
    coloured_pool: Path, tiny_clip_dir: Path, make_trainer: MakeTrainer
) -> None:
    prior, teacher = OpenClipPrior(str(tiny_clip_dir)), ColourTeacher()
    pool = PoolDataModule(
        pool=ClassFolders(coloured_pool),
        prior=prior,
        ipc=2,
        num_classes=3,
        image_size=16,
        passes=1,
        passes_per_epoch=1,
    )
    module = _module(teacher)
    make_trainer().fit(module, datamodule=pool)
    make_trainer().fit(module, datamodule=pool)  # it is there
    make_trainer().fit(_module(teacher), datamodule=_data(coloured_pool))
    assert [context.prior for context in teacher.contexts] == [prior, prior, None, None], "checked and built"
    for context in teacher.contexts:
        assert context.registry.names == ("blue", "green", "red")
        assert context.image_size == 16


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature(temperature: float) -> None:
    with pytest.raises(ConfigError, match="Expected a temperature above 0, found"):
        _module(ColourTeacher(), temperature=temperature)


@pytest.mark.parametrize("twice", [False, True])
def test_rdeds_extra_forward_updates_the_statistics_again(coloured_pool: Path, twice: bool) -> None:
    data = _data(coloured_pool)
    module = DistillationModule(
        partial(ConvNet, depth=1, width=4), ColourTeacher(), 3, 16, statistics_twice=twice
    )
    module._trainer = _Stub(data)  # type: ignore[assignment]
    data.setup("fit")
    module.setup("fit")
    (norm,) = (layer for layer in module.network.modules() if isinstance(layer, nn.BatchNorm2d))
    inputs: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    loss = module.training_loss(batch)
    mean = torch.zeros(4)
    for _ in range(2 if twice else 1):  # momentum 0.1, on the same batch
        mean = 0.9 * mean + 0.1 * inputs[0].mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean)
    assert int(norm.num_batches_tracked or 0) == len(inputs) == (2 if twice else 1)
    assert module.quirks == (["statistics_twice"] if twice else [])
    expected = soft_label_loss(module(batch.images), module.frozen_teacher(batch.images), 20.0)
    assert torch.equal(loss, expected)


def test_the_modules_loss_is_the_asked_one(coloured_pool: Path) -> None:
    data = _data(coloured_pool)
    module = _module(ColourTeacher(), loss="mse", label_weight=0.025)
    module._trainer = _Stub(data)  # type: ignore[assignment]
    data.setup("fit")
    module.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    student, teacher = module(batch.images), module.frozen_teacher(batch.images)
    expected = F.mse_loss(student, teacher) + 0.025 * F.cross_entropy(student, batch.labels)
    torch.testing.assert_close(module.training_loss(batch), expected)
    with pytest.raises(ConfigError, match="Expected label_weight of at least 0, found -1"):
        _module(ColourTeacher(), label_weight=-1)
