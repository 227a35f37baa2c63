from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import TeacherError
from semdd_lightning.training import EnsembleTeacher, Teacher
from semdd_lightning.training.teachers.teacher import FrozenTeacher, TeacherContext

CONTEXT = TeacherContext(ClassRegistry(("a", "b"), ("a", "b")), 4, None)


class Scaled(nn.Module):
    """Logits that a test can work out: twice the mean of the first two channels, times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.drop = nn.Parameter(torch.tensor(factor)), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.drop(images.mean(dim=(2, 3))[:, :2]) * self.factor
        return logits


@dataclass(frozen=True)
class ScaledTeacher(Teacher):
    """Builds `Scaled`; one of factor 0 is missing."""

    factor: float

    def check(self, context: TeacherContext) -> None:
        if not self.factor:
            raise TeacherError("it is missing")

    def build(self, context: TeacherContext) -> nn.Module:
        return Scaled(self.factor)

    def history(self, context: TeacherContext) -> dict[str, Any]:
        return {"factor": self.factor}


def test_an_ensemble_labels_by_the_mean_of_the_logits() -> None:
    teacher = EnsembleTeacher((ScaledTeacher(1.0), ScaledTeacher(2.0), ScaledTeacher(6.0)))
    teacher.check(CONTEXT)
    frozen = FrozenTeacher(teacher.build(CONTEXT), torch.device("cpu"))
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(frozen(images), 3 * images.mean(dim=(2, 3))[:, :2])
    assert not any(layer.training for layer in frozen.network.modules())
    assert not any(parameter.requires_grad for parameter in frozen.network.parameters())
    assert teacher.history(CONTEXT) == {"members": [{"factor": 1.0}, {"factor": 2.0}, {"factor": 6.0}]}


def test_every_member_is_checked() -> None:
    with pytest.raises(TeacherError, match="it is missing"):
        EnsembleTeacher((ScaledTeacher(1.0), ScaledTeacher(0.0))).check(CONTEXT)
    with pytest.raises(TeacherError, match="Expected at least one teacher in the ensemble, found none"):
        EnsembleTeacher(()).check(CONTEXT)
