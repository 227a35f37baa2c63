from __future__ import annotations

import hashlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import TeacherError
from semdd_lightning.models import build_network
from semdd_lightning.training import StateDictTeacher
from semdd_lightning.training.teachers import TeacherContext

NAMES = ("blue", "green", "red")
CONTEXT = TeacherContext(ClassRegistry(NAMES, NAMES), 16, None)


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
    context = TeacherContext(CONTEXT.registry, 32, None)
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
    two = TeacherContext(ClassRegistry(NAMES[:2], NAMES[:2]), 16, None)
    with pytest.raises(TeacherError, match=r"Expected weights of conv3 for 2 classes .*found others"):
        StateDictTeacher(file, "conv3").build(two)
    torch.save({"epoch": 3}, file)
    with pytest.raises(TeacherError, match=r"Expected a state dict in .*alone or as model or state_dict"):
        StateDictTeacher(file, "conv3").build(CONTEXT)
    file.write_bytes(b"no zip")
    with pytest.raises(TeacherError, match="found a file that torch cannot load"):
        StateDictTeacher(file, "conv3").build(CONTEXT)
