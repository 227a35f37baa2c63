"""Teachers: CLIP itself, checkpoints of this package, torchvision and timm."""

from semdd_lightning.training.teachers.check import check_teacher, upper_bound
from semdd_lightning.training.teachers.checkpoint_teacher import CheckpointTeacher
from semdd_lightning.training.teachers.clip_teacher import ClipTeacher, ZeroShotNetwork
from semdd_lightning.training.teachers.library_teacher import (
    TimmTeacher,
    TorchvisionTeacher,
    imagenet_indices,
)
from semdd_lightning.training.teachers.teacher import FrozenTeacher, Teacher, TeacherContext

__all__ = [
    "CheckpointTeacher",
    "ClipTeacher",
    "FrozenTeacher",
    "Teacher",
    "TeacherContext",
    "TimmTeacher",
    "TorchvisionTeacher",
    "ZeroShotNetwork",
    "check_teacher",
    "imagenet_indices",
    "upper_bound",
]
