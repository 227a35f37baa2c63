"""Several teachers that label as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from semdd_lightning.errors import TeacherError
from semdd_lightning.training.teachers.teacher import Teacher, TeacherContext


@dataclass(frozen=True)
class EnsembleTeacher(Teacher):
    """The mean of several teachers' logits, as EDC takes of four networks.

    Args:
        teachers: the members; each owns its resize and normalisation.
    """

    teachers: tuple[Teacher, ...]

    def check(self, context: TeacherContext) -> None:
        """Check every member, as each does that best."""
        if not self.teachers:
            msg = "Expected at least one teacher in the ensemble, found none; name its members."
            raise TeacherError(msg)
        for teacher in self.teachers:
            teacher.check(context)

    def build(self, context: TeacherContext) -> nn.Module:
        """Build every member."""
        return MeanLogits([teacher.build(context) for teacher in self.teachers])

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """What is known of each member."""
        return {"members": [teacher.history(context) for teacher in self.teachers]}


class MeanLogits(nn.Module):
    """Images in [0, 1] to the mean of several networks' logits.

    Args:
        networks: from images to logits (B, C) each.
    """

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (B, C)."""
        return torch.stack([network(images) for network in self.networks]).mean(dim=0)
