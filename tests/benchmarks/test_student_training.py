"""The contestants of student training, at a tiny size: they run, and they train alike."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as TF

from benchmarks import peer_loop
from benchmarks.peer_loop import DecodedImages, ShufflePatches, train_epoch
from benchmarks.student_training import bare_training, measure
from benchmarks.timed_fit import PassClock, fitted
from benchmarks.training_task import TrainingTask
from semdd_lightning.data import ImageDataModule
from semdd_lightning.models import IMAGENET_MEAN, IMAGENET_STD
from semdd_lightning.training import ClassifierModule, parameter_groups
from semdd_lightning.training.teachers import FrozenTeacher

CPU = torch.device("cpu")


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    return TrainingTask(tmp_path, "conv3", 8, 12, 2, 1, 3, num_classes=3, batch_size=5).write()


def test_the_teacher_knows_the_images(task: TrainingTask) -> None:
    images = DecodedImages(task.images, task)
    plain = [TF.pil_to_tensor(Image.open(file)) for file, _ in images.files]
    labels = torch.tensor([label for _, label in images.files])
    logits = FrozenTeacher(task.teacher_network(), CPU)(torch.stack(plain).float() / 255)
    assert torch.equal(logits.argmax(dim=1), labels)
    assert labels.bincount().tolist() == [4, 4, 4]


def test_the_bare_loop_trains_as_ours_does(task: TrainingTask, monkeypatch: pytest.MonkeyPatch) -> None:
    students: list[nn.Module] = []

    def keep(clock: PassClock, trainer: Trainer, module: ClassifierModule) -> None:
        students.append(copy.deepcopy(module.network))

    monkeypatch.setattr(PassClock, "on_fit_start", keep)
    cli = fitted(task)
    assert isinstance(cli.datamodule, ImageDataModule)
    passes = [[batch.images for batch in cli.datamodule.training_pass(index)] for index in range(3)]
    (student,) = students
    for _ in bare_training(student, FrozenTeacher(task.teacher_network(), CPU), passes):
        pass
    trained = dict(cli.model.network.named_parameters())
    for name, value in student.named_parameters():
        assert torch.equal(value, trained[name]), name


def test_the_peers_loop_learns_what_the_bare_loop_learns(
    task: TrainingTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_loop, "cutmix", lambda images: images)
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    normalised, labels = TF.normalize(images, IMAGENET_MEAN, IMAGENET_STD), torch.zeros(5, dtype=torch.int64)
    ours, theirs, teacher = task.new_student(), task.new_student(), task.teacher_network().eval()
    next(bare_training(ours, FrozenTeacher(teacher, CPU), [[images]]))
    optimizer = torch.optim.AdamW(parameter_groups(theirs, "weights"), lr=1e-3, weight_decay=0.01)
    batches: Any = [(normalised, labels)]
    loss, accuracy = train_epoch(theirs.network, teacher.network, optimizer, batches, CPU)
    assert loss > 0
    assert 0 <= accuracy <= 1
    expected = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        if not _before_a_norm(name):  # its gradient is rounding noise, which AdamW enlarges
            torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-4, msg=name)
    counted = [layer.num_batches_tracked for layer in theirs.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert counted == [2, 2, 2], "one more forward pass a step"


def _before_a_norm(name: str) -> bool:
    return "conv" in name and name.endswith("bias")


def test_all_contestants_are_timed(task: TrainingTask) -> None:
    result = measure(task, rounds=2)
    assert {name: len(seconds) for name, seconds in result.seconds.items()} == {
        "ours": 2,
        "bare loop": 2,
        "peers' loop": 2,
    }
    assert min(min(seconds) for seconds in result.seconds.values()) > 0
    assert [ratio.name for ratio in result.ratios] == ["limit / ours", "peers' loop / ours"]
    assert result.settings["timed_steps"] == 6


def test_patches_are_shuffled_in_columns_and_rows() -> None:
    image = torch.arange(16.0).view(1, 4, 4)
    assert torch.equal(ShufflePatches(1)(image), image)
    seen: set[tuple[float, ...]] = set()
    for _ in range(50):
        shuffled: Tensor = ShufflePatches(2)(image)
        assert torch.equal(shuffled.flatten().sort().values, image.flatten())
        seen.add(tuple(shuffled.flatten().tolist()))
    assert len(seen) == 4
