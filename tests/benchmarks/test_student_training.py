"""The contestants of student training, at a tiny size: they run, and they train alike."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image
from torch import nn
from torchvision.transforms.v2 import functional as TF

from benchmarks.rded_loop import rded_seconds
from benchmarks.student_training import bare_training, measure
from benchmarks.timed_fit import PassClock, fitted
from benchmarks.training_task import TrainingTask
from semdd_lightning.data import ImageDataModule
from semdd_lightning.data.classifier import FrozenClassifier
from semdd_lightning.training import ClassifierModule

CPU = torch.device("cpu")


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    return TrainingTask(tmp_path, "conv3", 8, 12, 2, 1, 3, num_classes=3, batch_size=5).write()


def test_the_teacher_knows_the_images(task: TrainingTask) -> None:
    files = sorted(task.images.rglob("*.jpg"))
    labels = torch.tensor([int(file.parent.name) for file in files])
    images = torch.stack([TF.pil_to_tensor(Image.open(file)) for file in files]).float() / 255
    logits = FrozenClassifier(task.teacher_network(), CPU)(images)
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
    for _ in bare_training(student, FrozenClassifier(task.teacher_network(), CPU), passes):
        pass
    trained = dict(cli.model.network.named_parameters())
    for name, value in student.named_parameters():
        assert torch.equal(value, trained[name]), name


def test_both_are_timed(task: TrainingTask) -> None:
    result = measure(task, rounds=2)
    assert {name: len(seconds) for name, seconds in result.seconds.items()} == {"ours": 2, "bare loop": 2}
    assert min(min(seconds) for seconds in result.seconds.values()) > 0
    assert [ratio.name for ratio in result.ratios] == ["limit / ours"]
    assert result.settings["timed_steps"] == 6


RDED = {
    "main.py": """
calls = []
def set_worker_sharing_strategy(worker): ...
def train(epoch, loader, teacher, student, args):
    sizes = []
    for images, labels in loader:
        logits = student(images.cuda())
        args.optimizer.zero_grad()
        (logits - teacher(images.cuda())).square().mean().backward()
        args.optimizer.step()
        sizes.append(len(images))
    calls.append((epoch, sizes, args.mix_type, args.temperature, args.optimizer.param_groups[0]["lr"]))
""",
    "utils.py": """
import torch, torchvision
def get_parameters(model): return list(model.parameters())
class ShufflePatches(torch.nn.Identity): ...
class ImageFolder(torchvision.datasets.ImageFolder):
    def __init__(self, classes, ipc, mem, shuffle, **kwargs):
        super().__init__(**kwargs)
        assert (len(classes), ipc, mem) == (3, 4, True)
""",
}


def test_rdeds_loop_is_its_own_code(task: TrainingTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which a checkout is what it is called through."""
    checkout = task.root / "rded"
    (checkout / "validation").mkdir(parents=True)
    for name, code in RDED.items():
        (checkout / "validation" / name).write_text(code)
    path = list(sys.path)
    assert rded_seconds(task, checkout, workers=0) > 0
    calls = sys.modules["validation.main"].calls
    for name in [name for name in sys.modules if name.partition(".")[0] == "validation"]:
        monkeypatch.delitem(sys.modules, name)
    assert sys.path == path
    assert [call[:4] for call in calls] == [(epoch, [5, 5, 2], "cutmix", 20.0) for epoch in range(3)]
    assert [call[4] for call in calls] == pytest.approx([1e-3, 0.933e-3, 0.75e-3], abs=1e-6)
