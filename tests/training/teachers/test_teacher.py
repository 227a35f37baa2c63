from __future__ import annotations

import pytest
import torch
from torch import nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import TeacherError
from semdd_lightning.training.teachers.teacher import FrozenTeacher, Teacher, TeacherContext


def test_a_frozen_teacher_only_labels() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.BatchNorm1d(12), nn.Dropout(0.5))
    teacher = FrozenTeacher(network.train(), torch.device("cpu"))
    images = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    first, second = teacher(images), teacher(images)
    assert torch.equal(first, second)  # no dropout, no statistics
    assert not first.requires_grad
    assert not any(layer.training for layer in network.modules())


def test_what_holds_it_does_not_own_it() -> None:
    teacher = FrozenTeacher(nn.Linear(2, 2), torch.device("cpu"))
    holder = nn.Module()
    setattr(holder, "teacher", teacher)  # noqa: B010 - as a module assigns its attributes
    holder.train()
    assert list(holder.parameters()) == []
    assert holder.state_dict() == {}
    assert not teacher.network.training


def test_of_a_teacher_of_ones_own_nothing_is_known() -> None:
    class Own(Teacher):
        def build(self, context: TeacherContext) -> nn.Module:
            raise TeacherError("it cannot be built")

    context = TeacherContext(ClassRegistry(("a",), ("a",)), 4, None)
    assert Own().history(context) == {"data": "unknown", "recipe": "unknown", "accuracy": "unknown"}
    with pytest.raises(TeacherError, match="it cannot be built"):
        Own().check(context)


def test_the_precision_of_training_does_not_change_what_it_says() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    teacher = FrozenTeacher(network, torch.device("cpu"))
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    stored = teacher(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(images).dtype == torch.bfloat16
        online, half = teacher(images), teacher(images.bfloat16())
    assert torch.equal(online, stored)
    assert torch.equal(half, teacher(images.bfloat16().float()))


def test_its_memory_format_changes_no_more_than_the_last_bits() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    images = torch.rand(5, 3, 12, 12)
    with torch.no_grad():
        expected = network(images)
    found = FrozenTeacher(network, torch.device("cpu"))(images)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
