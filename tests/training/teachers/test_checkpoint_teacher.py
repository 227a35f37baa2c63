from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import FolderImages, ImageDataModule
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.errors import TeacherError
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, ConvNet, NetworkFactory, build_network
from semdd_lightning.training import CheckpointTeacher, ClassifierModule, StateDictTeacher
from semdd_lightning.training.checkpoint_card import weights_digest
from semdd_lightning.training.teachers.teacher import teacher_card

NAMES = ("blue", "green", "red")
TINY: NetworkFactory = partial(ConvNet, depth=2, width=4)
Trained = Callable[[str | NetworkFactory], ClassifierModule]


def _context(names: tuple[str, ...] = NAMES) -> ClassifierContext:
    return ClassifierContext(ClassRegistry(names, names), 16, None)


@pytest.fixture
def train(coloured_pool: Path, make_trainer: Callable[..., Trainer], tmp_path: Path) -> Trained:
    """Train a network for a pass; its checkpoint is ``tmp_path / "last.ckpt"``."""

    def fit(network: str | NetworkFactory) -> ClassifierModule:
        module = ClassifierModule(network, 3, 16, mean=CIFAR_MEAN, std=CIFAR_STD)
        data = ImageDataModule(FolderImages(coloured_pool), 3, 16, passes=1)
        saving = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
        make_trainer(callbacks=[saving], enable_checkpointing=True).fit(module, datamodule=data)
        return module.eval()

    return fit


@pytest.mark.parametrize("architecture", ["conv3", TINY], ids=["name", "class"])
def test_the_teacher_is_the_network_that_was_saved(
    train: Trained, tmp_path: Path, architecture: str | NetworkFactory
) -> None:
    module = train(architecture)
    given = None if isinstance(architecture, str) else architecture
    images = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module(images)
        for path in (tmp_path, tmp_path / "last.ckpt"):
            network = CheckpointTeacher(path, given).build(_context()).eval()
            torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-5)
            saved = {f"network.{name}": value for name, value in network.state_dict().items()}
            assert all(torch.equal(saved[name], value) for name, value in module.state_dict().items())


def test_a_class_has_to_be_named_again(train: Trained, tmp_path: Path) -> None:
    train(TINY)
    with pytest.raises(
        TeacherError, match=r"Expected the architecture of .*, found none in it; give as `network`"
    ):
        CheckpointTeacher(tmp_path).build(_context())
    with pytest.raises(TeacherError, match=r"Expected weights of conv4 in .*found others"):
        CheckpointTeacher(tmp_path, "conv4").build(_context())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("blue", "red", "green"), "differ from class 1 on: it counts 'green' there, the data 'red'"),
        (("blue", "green"), r"its 3 classes \(blue, green, red, ...\) are not the data's 2"),
        (("blue", "green", "red", "white"), "its 3 classes .* are not the data's 4"),
    ],
)
def test_other_classes_are_refused(
    train: Trained, tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    train("conv3")
    with pytest.raises(TeacherError, match=message):
        CheckpointTeacher(tmp_path).build(_context(names))


def test_what_is_no_checkpoint_of_ours(tmp_path: Path) -> None:
    with pytest.raises(
        TeacherError, match=r"Expected a teacher checkpoint at .*last\.ckpt, found none; train"
    ):
        CheckpointTeacher(tmp_path).build(_context())
    text = tmp_path / "text.ckpt"
    text.write_text("no checkpoint")
    with pytest.raises(TeacherError, match=r"a checkpoint of .*text\.ckpt, found no pickle of weights"):
        CheckpointTeacher(text).build(_context())
    contents: list[object] = [{"state_dict": {}}, torch.zeros(2), {"state_dict": {1: 1}, "semdd": {}}]
    for content in contents:
        torch.save(content, tmp_path / "other.ckpt")
        with pytest.raises(TeacherError, match=r"checkpoint of this package in .*other\.ckpt, found another"):
            CheckpointTeacher(tmp_path / "other.ckpt").build(_context())


def test_the_checkpoint_says_how_it_came_to_be(train: Trained, coloured_pool: Path, tmp_path: Path) -> None:
    module = train("conv3")
    history = CheckpointTeacher(tmp_path).history(_context())
    assert history["network"] == "conv3"
    assert history["data"] == {
        "source": {
            "held_out": 0,
            "part": "rest",
            "path": str(coloured_pool),
            "classes": None,
            "class_names": None,
        },
        "kind": "FolderImages",
        "images": 18,
    }
    recipe = history["recipe"]
    assert (recipe["passes"], recipe["batch_size"], recipe["schedules"]) == (1, 128, ["CosineLR"])
    assert (recipe["optimizers"][0]["name"], recipe["optimizers"][0]["lr"]) == ("AdamW", 1e-3)
    assert recipe["augmentation"]["mix"] == "cutmix"
    assert history["accuracy"] == {}, "nothing was evaluated"
    assert history["sha256"] == weights_digest(module.network)


def test_of_an_averaged_network_the_average_teaches(
    coloured_pool: Path, make_trainer: Callable[..., Trainer], tmp_path: Path
) -> None:
    module = ClassifierModule("conv3", 3, 16, ema_decay=0.9)
    held_out = FolderImages(coloured_pool, held_out=2, part="held_out")
    data = ImageDataModule(FolderImages(coloured_pool), 3, 16, validation=held_out, passes=1)
    saving = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    make_trainer(callbacks=[saving], enable_checkpointing=True).fit(module, datamodule=data)
    assert module.averaged is not None
    teacher = CheckpointTeacher(tmp_path)
    built = teacher.build(_context())
    average = module.averaged.module.state_dict()
    assert all(torch.equal(value, average[name]) for name, value in built.state_dict().items())
    history = teacher.history(_context())
    assert history["sha256"] == weights_digest(built)
    assert history["accuracy"].keys() == {"val_top1"}
    frozen = FrozenClassifier(built, torch.device("cpu"))
    card = teacher_card(teacher, _context(), frozen, 0.5, "6 held-out real images")
    assert card == {
        "teacher": "CheckpointTeacher",
        "arguments": {"path": str(tmp_path), "network": None},
        "history": history,
        "accuracy": {"top1": 0.5, "on": "6 held-out real images"},
        "sha256": history["sha256"],
    }


CONTEXT = ClassifierContext(ClassRegistry(NAMES, NAMES), 16, None)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("conv3", 3, 16).eval()


def _wrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": value for name, value in weights.items()}


@pytest.mark.parametrize("form", ["rded", "sre2l", "bare", "torchvision"])
def test_the_peers_files_load(network: nn.Module, tmp_path: Path, form: str) -> None:
    weights = network.state_dict()
    contents: dict[str, Any] = {
        "rded": {"model": weights},
        "sre2l": {"state_dict": _wrapped(weights), "acc": 93.2, "epoch": 199},
        "bare": weights,
        "torchvision": {"model": weights, "epoch": 3, "args": Namespace(lr=0.1)},
    }
    torch.save(contents[form], tmp_path / "cifar10_conv3.pth")
    built = StateDictTeacher(tmp_path / "cifar10_conv3.pth", "conv3").build(CONTEXT).eval()
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        torch.testing.assert_close(built(images), expected)


def test_size_and_normalisation_are_the_teachers_own(network: nn.Module, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "x.pth")
    context = ClassifierContext(CONTEXT.registry, 32, None)
    teacher = StateDictTeacher(tmp_path / "x.pth", "conv3", 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(teacher.build(context).eval()(images), network((images - 0.5) / 0.25))


def test_its_card_holds_what_the_user_knows(network: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    torch.save(network.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    found = StateDictTeacher(file, "conv3").history(CONTEXT)
    unknown = {"data": "unknown", "recipe": "unknown", "accuracy": "unknown"}
    assert found == {**unknown, "network": "conv3", "file_sha256": digest}
    known = {"data": "CIFAR-10", "accuracy": "82.24 %, RDED's README"}
    assert StateDictTeacher(file, "conv3", trained=known).history(CONTEXT) == {**found, **known}


def test_what_does_not_fit_is_refused(network: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    with pytest.raises(TeacherError, match=r"Expected a teacher's weights at .*x\.pth, found none"):
        StateDictTeacher(file, "conv3").check(CONTEXT)
    torch.save({"model": network.state_dict()}, file)
    StateDictTeacher(file, "conv3").check(CONTEXT)
    with pytest.raises(TeacherError, match=r"Expected weights of conv4 for 3 classes .*found others"):
        StateDictTeacher(file, "conv4").check(CONTEXT)
    two = ClassifierContext(ClassRegistry(NAMES[:2], NAMES[:2]), 16, None)
    with pytest.raises(TeacherError, match=r"Expected weights of conv3 for 2 classes .*found others"):
        StateDictTeacher(file, "conv3").build(two)
    torch.save({"epoch": 3}, file)
    with pytest.raises(TeacherError, match=r"Expected a state dict in .*alone or as model or state_dict"):
        StateDictTeacher(file, "conv3").build(CONTEXT)
    file.write_bytes(b"no zip")
    with pytest.raises(TeacherError, match="found a file that torch cannot load"):
        StateDictTeacher(file, "conv3").build(CONTEXT)
