"""A teacher of coloured images that needs no training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from semdd_lightning.training import Teacher
from semdd_lightning.training.teachers.teacher import TeacherContext


class Colours(nn.Module):
    """Knows blue, green and red images by their strongest channel."""

    def forward(self, images: Tensor) -> Tensor:
        return 30 * images.mean(dim=(2, 3))[:, [2, 1, 0]]


@dataclass(frozen=True)
class ColourTeacher(Teacher):
    """Right about every coloured image."""

    def build(self, context: TeacherContext) -> nn.Module:
        return Colours()
